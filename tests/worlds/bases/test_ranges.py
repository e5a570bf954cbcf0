"""Every recipe of a base model refuses a wrong number in one line that names its flag."""

from typing import get_type_hints

import pytest

from steelyard.core import SteelyardError
from steelyard.worlds.bases import BY_NAME

NUMBERS = [
    (name, field)
    for name, made in BY_NAME.items()
    for field, kind in get_type_hints(made).items()
    if kind in (int, float)
]
MENDS = {"learning_rate": "use a number above 0, below 1", "seed": "use 0 to 2^63 - 1"}
WRONG = {"learning_rate": [0.0, 1.0, float("nan")], "seed": [-1, 2**63]}


@pytest.mark.parametrize(("name", "number"), NUMBERS)
def test_a_number_out_of_range_is_refused(name, number):
    for value in WRONG.get(number, [0, -1]):
        with pytest.raises(SteelyardError) as caught:
            BY_NAME[name](**{number: value})
        flag, hint = f"--{number.replace('_', '-')}", MENDS.get(number, "use 1 or more")
        assert str(caught.value) == f"{flag}: is {value}; {hint}"


@pytest.mark.parametrize(("name", "number"), NUMBERS)
def test_the_ends_of_a_range_are_in_it(name, number):
    for value in {"learning_rate": [1e-9], "seed": [0, 2**63 - 1]}.get(number, [1]):
        BY_NAME[name](**{number: value})
