import pytest

from steelyard.core import SteelyardError
from steelyard.core.columns import Column, check_row, text_of

GOOD = {"text": ["a"], "label": ["a", 3], "number": [1, 0.5], "texts": [["a", "b"]],
        "prompt": ["a", [{"role": "user", "content": "a"}]]}  # fmt: skip
BAD = {
    "text": ["", " ", 3, None, ["a"]], "label": ["", 0.5, True, None], "number": ["1", True, None],
    "texts": ["a", [], [""], [1]], "prompt": ["", 3, None, [], ["a"], [{"role": "user"}]],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind in GOOD for value in GOOD[kind]])
def test_values_of_a_kind_are_taken(kind, value):
    check_row({"x": value}, [Column("x", kind)], "f, line 1")


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind in BAD for value in BAD[kind]])
def test_other_values_are_refused_with_their_place(kind, value):
    with pytest.raises(SteelyardError, match=r"f, line 1: column 'x' is .*; write a"):
        check_row({"x": value}, [Column("x", kind)], "f, line 1")


def test_a_missing_column_is_named_with_near_ones_and_the_flag():
    with pytest.raises(SteelyardError) as caught:
        check_row({"txet": "a"}, [Column("text", "text", "--text-column")], "f, line 2")
    assert str(caught.value) == (
        "f, line 2: there is no column 'text'; did you mean 'txet'?, or name the column with --text-column"
    )


def test_the_text_of_a_column_is_as_it_stands_and_no_number():
    assert text_of({"text": " a ", "x": 1}, Column("text"), "f, line 1") == " a "
    with pytest.raises(SteelyardError, match=r"f, line 3: column 'text' is nan; write a text$"):
        text_of({"text": float("nan")}, Column("text"), "f, line 3")
