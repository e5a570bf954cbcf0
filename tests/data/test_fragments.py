from hypothesis import given
from hypothesis import strategies as st

from steelyard.data.fragments import Graded, fragments

SENTENCES = r"(?<=[.!?])\s+|\n+"


def test_by_hand():
    assert fragments("One. Two?  Three", SENTENCES) == ["One. ", "Two?  ", "Three"]
    assert fragments("2+3=5+1=6", "(?==)") == ["2+3", "=5+1", "=6"]
    assert fragments("a\n\nb\nc", r"\n") == ["a\n\n", "b\n", "c"]
    assert fragments("\n a. b", SENTENCES) == ["\n a. ", "b"]


def test_a_blank_text_has_none():
    assert fragments("", SENTENCES) == fragments(" \n", SENTENCES) == []


@given(st.text("a .\n", max_size=12), st.sampled_from([SENTENCES, r"\n", "(?=a)", r"\.", "x*"]))
def test_together_they_are_the_text_and_none_is_blank(text, pattern):
    found = fragments(text, pattern)
    assert "".join(found) == (text if text.strip() else "")
    assert all(part.strip() for part in found)


def test_an_answer_that_says_nothing_has_an_accuracy_of_0():
    assert Graded("", (), ()).accuracy == 0.0
    assert Graded("ab", ("a", "b"), (True, False)).accuracy == 0.5
