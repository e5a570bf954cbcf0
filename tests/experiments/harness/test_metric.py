import pytest

from steelyard.core import SteelyardError
from steelyard.experiments.harness.metric import share


def test_a_share_has_its_number_of_samples_beside_it():
    assert share("accuracy", 3, 4) == {"accuracy": 0.75, "accuracy/n": 4.0}
    with pytest.raises(SteelyardError, match=r"bad: 3 of 2 is no share; count some of the samples"):
        share("bad", 3, 2)
    with pytest.raises(SteelyardError, match=r"bad: 0 of 0 is no share"):
        share("bad", 0, 0)
