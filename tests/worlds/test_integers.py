import math

import numpy as np
import pytest

from steelyard.core import SteelyardError
from steelyard.worlds.integers import DIGITS, Integers, base, entropy, from_uniform, laws


def test_any_digit_is_right_and_nothing_else(answered):
    task = Integers(problems=2)
    prompt = task.prompts("train")[0]
    assert [s.value for s in task.score([answered(prompt, d) for d in ("4", "0", "a", "", "12")])] == [1, 1, 0, 0, 0]


def test_distances_by_hand():
    law_PN = np.array([[0.25] * 4, [1.0, 0.0, 0.0, 0.0], [0.5, 0.3, 0.0, 0.0]])
    # The third: (0.25 + 0.05 + 0.25 + 0.25 + the 0.2 that is no digit) / 2.
    assert from_uniform(law_PN).tolist() == pytest.approx([0.0, 0.75, 0.5])
    assert entropy(law_PN)[:2].tolist() == pytest.approx([math.log(4), 0.0])


def test_each_problem_has_its_own_order_and_the_first_digit_is_common():
    task = Integers(problems=8, ratio=0.5)
    shown = [task.shown(prompt, 2000) for prompt in task.prompts("train")]
    common = [max(DIGITS, key=digits.count) for digits in shown]
    assert len(set(common)) > 2
    assert np.mean([digits.count(most) / 2000 for digits, most in zip(shown, common, strict=True)]) == pytest.approx(
        0.5, abs=0.02
    )


def test_a_base_model_has_a_law_of_digits():
    task = Integers(problems=2)
    law_PN = laws(base(task, 3, steps=120), task)
    assert law_PN.shape == (2, 10)
    assert (law_PN.sum(1) > 0.8).all() and (law_PN.sum(1) <= 1).all()


def test_wrong_settings_are_refused():
    with pytest.raises(SteelyardError, match=r"integers\.problems"):
        Integers(problems=27)
    with pytest.raises(SteelyardError, match="unknown split"):
        Integers().prompts("test")
