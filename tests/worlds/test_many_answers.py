"""Two numbers with a given sum: which answers are right, how many there are, and what the base model says."""

import numpy as np
import pytest

from steelyard.core import SteelyardError
from steelyard.worlds.many_answers import CHARACTERS, ManyAnswers, draw_answer


def test_prompts_are_the_sums_each_on_one_side():
    task = ManyAnswers()
    train, held = ({p.text for p in task.prompts(split)} for split in ("train", "held-out"))
    assert train | held == {f"{n}=" for n in range(20, 100)}
    assert not train & held
    assert 24 <= len(held) <= 40  # two in five, by hash
    assert (
        ManyAnswers(largest=40).prompts("held-out")
        == task.prompts("held-out")[: len(ManyAnswers(largest=40).prompts("held-out"))]
    )


def test_a_prompt_has_as_many_right_answers_as_its_sum_less_one(answered):
    task = ManyAnswers()
    prompt = next(p for p in [*task.prompts("train"), *task.prompts("held-out")] if p.text == "37=")
    right = [f"{a}+{37 - a}" for a in range(1, 37)]
    assert [s.value for s in task.score([answered(prompt, text) for text in right])] == [1.0] * 36
    wrong = ["12+26", "37+0", "0+37", "012+25", "37", "12+25=", "-1+38", "12+", "", "37=12+25"]
    assert [s.value for s in task.score([answered(prompt, text) for text in wrong])] == [0.0] * len(wrong)


@pytest.mark.parametrize(("text", "style"), [("7+30", "1-9"), ("12+25", "10-19"), ("36+1", "30-39"), ("x", "other")])
def test_styles(text, style):
    assert ManyAnswers().style(text) == style


def test_the_base_models_answers():
    draws = np.random.default_rng(0)
    drawn = [draw_answer(draws, 60, right=0.3, skew=0.9) for _ in range(4000)]
    pairs = [tuple(map(int, text.split("+"))) for text in drawn]
    sums = np.array([a + b for a, b in pairs])
    assert set(sums.tolist()) == {60, 61}
    assert abs((sums == 60).mean() - 0.3) < 0.03
    firsts = np.array([a for a, _ in pairs])
    assert abs((firsts == 2).sum() / (firsts == 1).sum() - 0.9) < 0.15
    assert set("".join(drawn)) <= set(CHARACTERS)


def test_wrong_settings():
    with pytest.raises(SteelyardError, match=r"many-answers\.largest: is 100; use 40 to 99"):
        ManyAnswers(largest=100)
    with pytest.raises(SteelyardError, match="unknown split"):
        ManyAnswers().prompts("test")
