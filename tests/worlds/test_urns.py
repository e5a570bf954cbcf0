from collections import Counter

import numpy as np
import pytest

from steelyard.check.scoring import episode_of
from steelyard.core import Prompt, SteelyardError, Task, rng
from steelyard.worlds.urns import CONTEXT, LETTERS, SHAPES, SHOWN, WORDS, Urn, Urns, base

TASK = Urns(urns=100)


def of(description):
    return next(urn for urn in TASK.every if urn.description.startswith(description))


def test_a_law_is_what_the_description_says():
    for urn in TASK.every:
        shape, *rest = urn.description.split()
        law = dict(zip(LETTERS, urn.law, strict=True))
        inside = {letter for letter, p in law.items() if p > 0}
        if shape == "few":
            told = dict(zip(rest[::2], map(int, rest[1::2]), strict=True))
            assert sum(told.values()) == 10
            assert law == pytest.approx({letter: told.get(letter, 0) / 10 for letter in LETTERS})
        elif shape == "even":
            first, last = (LETTERS.index(letter) for letter in rest)
            assert inside == {*LETTERS[first : last + 1]}
            assert len({p for p in law.values() if p}) == 1
        else:
            first, width = LETTERS.index(rest[0]), int(rest[1])
            assert [urn.balls[first + i] for i in range(width)] == [*range(width, 0, -1)]
            assert len(inside) == width


def test_by_hand():
    assert Urn("even a b", (1, 1, *[0] * 10)).law.tolist()[:3] == [0.5, 0.5, 0.0]
    draws = Urn("few a 9 c 1", (9, 0, 1, *[0] * 9)).drawn(4000, rng(0, "test"))
    assert Counter(draws)["a"] / 4000 == pytest.approx(0.9, abs=0.02)
    assert {*draws} == {"a", "c"}


def test_is_a_task_whose_splits_share_no_urn():
    assert isinstance(TASK, Task)
    train, held_out = TASK.prompts("train"), TASK.prompts("held-out")
    assert (len(train), len(held_out)) == (80, 20)
    assert len({p.text for p in [*train, *held_out]}) == 100
    assert {str(p.text).split()[1] for p in train} == {*SHAPES}
    assert train == Urns(urns=100).prompts("train")
    assert train != Urns(urns=100, data_seed=1).prompts("train")
    with pytest.raises(SteelyardError, match="unknown split"):
        TASK.prompts("test")


def test_a_letter_of_the_urn_is_worth_one():
    prompt = Prompt("p", "description few a 9 c 1 output ", {"letters": "ac"})
    scores = TASK.score([episode_of(prompt, said) for said in ("a", "c", "b", "", "ac", "a c")])
    assert [score.value for score in scores] == [1, 1, 0, 0, 0, 0]


def test_half_of_what_the_base_model_reads_is_told_wrongly():
    read = list(TASK.read(1000, 3))
    right = [one.name == one.description for one in read]
    assert np.mean(right) == pytest.approx(0.5, abs=0.05)
    assert {len(one.examples) for one in read} == {16}


def test_every_word_is_read_and_the_longest_row_fits():
    policy = base(TASK, seed=1, steps=2)
    assert len({*WORDS}) == len(WORDS)
    assert policy.decode(policy.encode(" ".join(WORDS))) == " ".join(WORDS)
    longest = max(TASK.every, key=lambda urn: len(urn.description))
    one = longest.process(16, rng(0, "x"))
    assert len(SHOWN.sequence(policy, one.description, one.examples).outputs) == 16
    assert policy.context_length == CONTEXT


def test_settings_are_checked():
    with pytest.raises(SteelyardError, match="urns"):
        Urns(urns=3)
    assert of("few").target.probability_K.sum() == pytest.approx(1.0)
