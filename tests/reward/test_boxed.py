"""The box of a solution, found by its braces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.reward.boxed import last_box


@pytest.mark.parametrize(
    ("text", "box"),
    [
        (r"so $\boxed{\frac{1}{2}}$, not $x=7$", r"\boxed{\frac{1}{2}}"),
        (r"\boxed{5} and then \boxed{12}", r"\boxed{12}"),
        (r"\fbox{3}", r"\boxed{3}"),
        (r"\boxed{1} and \fbox{2}", r"\boxed{2}"),
        (r"\boxed{}", r"\boxed{}"),
        (r"cut off: \boxed{\frac{1}{2}", None),
        (r"\boxed 7", None),
        ("#### 42", None),
        ("", None),
    ],
)
def test_the_last_whole_box(text, box):
    assert last_box(text) == box


@given(st.text(alphabet="{}ab\\ ", max_size=20), st.text(alphabet="ab{ ", max_size=10))
def test_what_is_found_is_balanced_and_there(before, inner):
    found = last_box(f"{before}\\boxed{{{inner}}}")
    if found is not None:
        assert found.count("{") == found.count("}")
    if "{" not in inner:
        assert found == f"\\boxed{{{inner}}}"
