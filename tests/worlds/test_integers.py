import math

import numpy as np
import pytest

from steelyard.core import SteelyardError
from steelyard.worlds.integers import DIGITS, Integers, base, entropy, from_uniform, laws, right_share


def test_any_digit_is_right_and_nothing_else(answered):
    task = Integers(problems=2)
    prompt = task.prompts("train")[0]
    assert [s.value for s in task.score([answered(prompt, d) for d in ("4", "0", "a", "", "12")])] == [1, 1, 0, 0, 0]


def test_every_second_digit_is_right_and_the_commonest_is_wrong(answered):
    task = Integers(problems=3, half=True)
    for prompt in task.prompts("train"):
        right = task.right(prompt)
        assert len(set(right)) == 5
        assert [s.value for s in task.score([answered(prompt, d) for d in DIGITS])] == [
            float(d in right) for d in DIGITS
        ]
        shown = task.shown(prompt, 2000)
        assert max(DIGITS, key=shown.count) not in right
        # 0.6 / 1.6 of the geometric law falls on the odd places.
        assert sum(d in right for d in shown) / 2000 == pytest.approx(0.375, abs=0.04)
    law_PN = np.tile(np.arange(10) / 45, (3, 1))
    wanted = [sum(int(d) for d in task.right(p)) / 45 for p in task.prompts("held-out")]
    assert right_share(law_PN, task).tolist() == pytest.approx(wanted)


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
