"""Dress comes off, and no digit changes its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.reward.latex import as_written, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**$-3\\,\\text{ cm}$**", "-3 cm"),
        ("1{,}234", "1,234"),
        ("1\\,234", "1,234"),
        ("\\$5.00", "$5.00"),
        ("90^\\circ", "90 degrees"),
        ("\\textbf{(B)}\\ Paris", "(B) Paris"),
        ("\\dfrac{1}{2}", "\\frac{1}{2}"),
        ("25 \\text{ cm}^2", "25 cm^2"),
        ("10**8", "10**8"),
        ("x**2", "x**2"),
        ("1`08`", "1 08"),
        ("negative 3", "-3"),
        ("85 minus 23", "85 minus 23"),
        ("it is minus 3", "it is -3"),
        ("\\begin{align*}x &= 1 \\\\ &= 2\\end{align*}", "x = 1 = 2"),
        ("１０８", "１０８"),
    ],
)
def test_plain_by_hand(text, shown):
    assert plain(text) == shown


@given(st.text(alphabet="0123456789 *_`~$\\,;:!{}()textfrac", max_size=40))
def test_no_digits_are_joined_or_moved(text):
    """Each run of digits of the plain text is a run of the text; only marks of thousands may stand in it."""
    shown = plain(text).replace(",", "")
    kept = "".join(c for c in text if c.isdigit())
    assert "".join(c for c in shown if c.isdigit()) == kept
    for run in shown.split():
        if run.isdigit() and run not in text.replace(",", ""):
            assert len(run) > 3  # 1\,234


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\\frac{x^2-1}{x-1}", "(x^2 - 1)/(x - 1)"),
        ("x/2", "\\frac{x}{2}"),
        ("2 \\cdot x", "2x"),
        ("(x+1)**2", "(x+1)^{2}"),
        ("H_2O", "H2O"),
    ],
)
def test_one_way_of_writing(one, other):
    assert as_written(one) == as_written(other)


def test_what_differs_stays_different():
    assert as_written("2*3") != as_written("23")
    assert as_written("101_2") != as_written("1012")
    assert as_written("x^2") != as_written("x2")
