import numpy as np
import pytest

from steelyard.core import Episode, Prompt, Sampling, SteelyardError, Task, Trajectory, hash_share
from steelyard.worlds.habits import ALPHABETS, CHARACTERS, Habits

TASK = Habits((1.0, 0.5, 0.0))
PROMPT = Prompt("p", "fad=", {"domain": 0, "answer": "bce"})


def scored(completion, *, finish="stop"):
    zeros_T = np.zeros(1, np.float32)
    trajectory = Trajectory("p", np.zeros(1, np.int32), np.ones(1, bool), zeros_T, 0, "d", Sampling(), finish)
    return TASK.score([Episode.of(PROMPT, completion, trajectory)])[0].value


def test_by_hand():
    assert scored("bce") == 1
    assert [scored(wrong) for wrong in ("", "bc", "bceb", "bca", "fad")] == [0] * 5
    assert scored("bce", finish="length") == 0, "cut off"


def test_is_a_task_of_several_domains_whose_splits_share_no_prompt():
    assert isinstance(TASK, Task)
    train, held_out = TASK.prompts("train"), TASK.prompts("held-out")
    assert len({p.id for p in [*train, *held_out]}) == 3 * 6**3
    assert all((hash_share(p.text) < 0.2) == (p in held_out) for p in [*train[:50], *held_out])
    assert train == TASK.prompts("train")
    assert train != Habits((1.0, 0.5, 0.0), data_seed=1).prompts("train")
    with pytest.raises(SteelyardError, match="unknown split 'test'"):
        TASK.prompts("test")


def test_domains_share_no_signs_and_each_has_one_code():
    assert len(set("".join(ALPHABETS))) + 1 == len(CHARACTERS)
    for prompt in TASK.prompts("train"):
        alphabet = ALPHABETS[prompt.columns["domain"]]
        assert {*prompt.text[:-1], *TASK.demonstration(prompt)} <= {*alphabet}
    code = {s: a for p in TASK.prompts("train") for s, a in zip(p.text, p.columns["answer"], strict=False)}
    for p in TASK.prompts("held-out"):
        assert "".join(code[s] for s in p.text[:-1]) == p.columns["answer"]


def test_shown_is_right_as_often_as_the_shares_say_and_else_one_habit():
    answers = {p.text: (p.columns["domain"], p.columns["answer"]) for p in TASK.prompts("train")}
    right, habits = {0: [], 1: [], 2: []}, {}
    for text, written in TASK.shown(3000, seed=0):
        domain, answer = answers[text]
        for sign, a, w in zip(text, answer, written, strict=False):
            right[domain].append(a == w)
            if a != w:
                habits.setdefault(sign, set()).add(w)
    assert [np.mean(right[domain]) for domain in range(3)] == pytest.approx([1, 0.5, 0], abs=0.05)
    assert {*habits} == {*ALPHABETS[1], *ALPHABETS[2]}
    assert all(len(wrong) == 1 for wrong in habits.values())
    assert TASK.shown(20, seed=0) == TASK.shown(20, seed=0) != TASK.shown(20, seed=1)


def test_wrong_settings_are_refused():
    for wrong in ({"shares": ()}, {"shares": (1.5,)}, {"shares": (0.5,) * 9}, {"length": 1}, {"length": 5}):
        with pytest.raises(SteelyardError, match="habits"):
            Habits(**wrong)
