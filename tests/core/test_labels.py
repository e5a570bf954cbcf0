import math

import pytest

from steelyard.core import Prompt, SteelyardError, find_label, label, labels_of

DIFFICULTY = label("difficulty", axes="P", kind=float, help="How hard the prompt is, from 0 to 1.")
RIGHT_STEPS = label("right_steps", axes="PGT", kind=bool, help="True where a step is right.")


def test_a_label_is_registered_once_and_found_by_its_name():
    assert find_label("difficulty") == DIFFICULTY
    assert label("difficulty", axes="P", kind=float, help="How hard the prompt is, from 0 to 1.") is DIFFICULTY
    with pytest.raises(ValueError, match="registered already"):
        label("difficulty", axes="PG", kind=float, help="another")
    with pytest.raises(SteelyardError, match="did you mean 'difficulty'"):
        find_label("dificulty")


def test_columns_of_a_prompt_become_labels():
    prompt = Prompt("p", "1+1=", {"difficulty": 1, "domain": 3, "other": "x"})
    found = labels_of(prompt, ("difficulty", "domain", "passes"))
    assert found == {"difficulty": 1.0, "domain": 3}
    assert type(found["difficulty"]) is float, "a whole number is read as a number"
    assert labels_of(Prompt("p", "x"), ("domain", "demonstration")) == {}, "these have defaults"
    assert labels_of(prompt, ()) == {}


def test_a_missing_column_is_named_with_its_meaning():
    with pytest.raises(SteelyardError, match=r"prompt 'p': has no column 'difficulty'.*How hard"):
        labels_of(Prompt("p", "x"), ("difficulty",))


@pytest.mark.parametrize(
    ("name", "value"),
    [("difficulty", "hard"), ("difficulty", True), ("difficulty", math.nan), ("domain", 1.0), ("domain", True),
     ("retain", 1), ("retain", "yes")],
)  # fmt: skip
def test_a_value_of_another_kind_is_refused(name, value):
    with pytest.raises(SteelyardError, match=f"its label '{name}' is"):
        labels_of(Prompt("p", "x", {name: value}), (name,))


def test_labels_of_steps_are_read_as_tuples():
    assert RIGHT_STEPS.read([True, False], "p") == (True, False)
    for value in ([1.0], "ab", True):
        with pytest.raises(SteelyardError, match="right_steps"):
            RIGHT_STEPS.read(value, "p")
