import pytest

from steelyard.check.scoring import episode_of
from steelyard.core import SteelyardError, rng
from steelyard.worlds.refusals import LENGTH, SIGNS, Refusals, filled, of_kind

WORLD = Refusals()


def test_every_problem_comes_with_and_without_the_mark_on_one_side():
    train, held_out = (WORLD.prompts(split) for split in ("train", "held-out"))
    assert len(train) + len(held_out) == 2 * len(SIGNS) ** LENGTH
    sides = [{str(p.text)[:-1] for p in prompts} for prompts in (train, held_out)]
    assert not sides[0] & sides[1]
    for prompts in (train, held_out):
        plain, marked = of_kind(prompts, False), of_kind(prompts, True)
        assert [str(p.text)[:-1] for p in plain] == [str(p.text)[:-1] for p in marked]
        assert [p.columns["answer"] for p in plain] == [p.columns["answer"] for p in marked]
    with pytest.raises(SteelyardError, match="unknown split 'test'"):
        WORLD.prompts("test")


def test_scores_by_hand():
    prompt = of_kind(WORLD.prompts("train"), True)[0]
    answer = prompt.columns["answer"]
    assert answer == "".join(WORLD.code[sign] for sign in str(prompt.text)[:-1])
    said = [answer, f"{answer[0]}x{answer[1:]}x", "nnn", "", answer + answer[0]]
    scores = WORLD.score([episode_of(prompt, text) for text in said])
    assert [(s.value, s.parts["refused"]) for s in scores] == [(1, 0), (1, 0), (0, 1), (0, 0), (0, 0)]


def test_fillers_change_no_answer():
    draws = rng(0, "test")
    said = {filled("abc", draws) for _ in range(100)}
    assert len(said) == 8
    assert {text.replace("x", "") for text in said} == {"abc"}


def test_codes_are_permutations_and_differ_by_seed():
    assert sorted(WORLD.code.values()) == sorted(SIGNS)
    assert WORLD.code == Refusals().code != Refusals(data_seed=1).code
