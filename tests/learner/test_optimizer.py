import math

import pytest

from steelyard.core import SteelyardError
from steelyard.learner.optimizer import Adam

WRONG = [
    ({"beta1": 1.0}, "optimizer.beta1: is 1.0; use 0 or more, less than 1"),
    ({"beta2": -0.1}, "optimizer.beta2: is -0.1; use 0 or more, less than 1"),
    ({"weight_decay": -1.0}, "optimizer.weight_decay: is -1.0; use 0 or more"),
    ({"weight_decay": math.inf}, "optimizer.weight_decay: is inf; use a finite number, 0 or more"),
    ({"max_grad_norm": 0.0}, "optimizer.max_grad_norm: is 0.0; use more than 0"),
    ({"max_grad_norm": math.nan}, "optimizer.max_grad_norm: is nan; use more than 0"),
]


@pytest.mark.parametrize(("settings", "said"), WRONG)
def test_a_setting_out_of_range_is_refused(settings, said):
    with pytest.raises(SteelyardError) as refusal:
        Adam(**settings)
    assert str(refusal.value) == said


def test_an_infinite_norm_clips_nothing():
    assert Adam(max_grad_norm=math.inf).max_grad_norm == math.inf
