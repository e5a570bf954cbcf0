"""Numbers are read exactly, and nothing else is a number."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.reward.numeral import LARGEST_EXPONENT, is_quotient, read_numeral

READ = [
    ("72", 72, "plain"),
    ("-1,234.50", Fraction("-1234.5"), "plain"),
    (".5", Fraction(1, 2), "plain"),
    ("1{,}234", 1234, "plain"),
    ("0.\\overline{3}", Fraction(1, 3), "plain"),
    ("0.1\\overline{6}", Fraction(1, 6), "plain"),
    ("1e-7", Fraction(1, 10**7), "power"),
    ("3 \\times 10^5", 300000, "power"),
    ("10^{-2}", Fraction(1, 100), "power"),
    ("10**6", 10**6, "power"),
    ("1/2", Fraction(1, 2), "fraction"),
    ("\\frac12", Fraction(1, 2), "fraction"),
    ("-\\dfrac{3}{4}", Fraction(-3, 4), "fraction"),
    ("2\\frac{1}{2}", Fraction(5, 2), "mixed"),
    ("50\\%", Fraction(1, 2), "percent"),
    ("5 million", 5_000_000, "scale"),
    ("\\$5.00", 5, "plain"),
    ("-$5", -5, "plain"),
    ("$-5$", -5, "plain"),
    ("-3 \\text{ cm}", -3, "plain"),
    ("90^\\circ", 90, "plain"),
    ("25 cm^2", 25, "plain"),
    ("72 clips.", 72, "plain"),
]
NOT_READ = [
    *("85+23", "85 - 23", "54*2", "2^{10}", "5!", "\\sqrt{4}", "(108)(1)", "\\binom{9}{2}", "1/0", "\\frac{1}{0}"),
    *("1 or 2", "1, 2", "1 2", "12,34", "1.2.3", "1/2/3", "3:30", "3 pm", "5 May", "3rd", "100-108", "\\pm 3"),
    *("٤٢", "４２", "4２", "4²", "①", "forty-two", "XII", "0x2A", "1_000", "101_2", "4x", "4i", "4\\pi", "a4"),
    *("", " ", ".", "-", "--4", "nan", "inf", "1e9999", "10^{9999}", "1e", "9" * 1001, "1.5/2", "2 7/3", "{"),
    *("5 squared", "5 is wrong", "not 5", "72 and a half", "7 hundred"),
]


@pytest.mark.parametrize(("text", "value", "form"), READ)
def test_read_by_hand(text, value, form):
    read = read_numeral(text)
    assert read is not None
    assert (read.value, read.form) == (value, form)


@pytest.mark.parametrize("text", NOT_READ)
def test_not_read(text):
    assert read_numeral(text) is None


def test_strict_units_keep_the_unit():
    units = {text: read_numeral(text, "strict").unit for text in ("5", "5 cm", "5 clips", "5 clip", "$5", "5 dollars")}
    assert units == {"5": "", "5 cm": "cm", "5 clips": "clip", "5 clip": "clip", "$5": "$", "5 dollars": "$"}


def test_a_quotient_that_comes_out_even_is_still_to_be_divided():
    assert [is_quotient(read_numeral(text)) for text in ("84/7", "\\frac{6}{3}", "5/1", "1/2", "6")] == [
        True,
        True,
        True,
        False,
        False,
    ]


@given(st.fractions(max_denominator=10**6))
def test_every_fraction_is_read_back(number):
    top, bottom = number.numerator, number.denominator
    assert read_numeral(f"{top}/{bottom}").value == number
    assert read_numeral(f"\\frac{{{top}}}{{{bottom}}}").value == number


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=6),
    st.sampled_from(["{}", "{:,}", "${}$", "\\text{{{}}}"]),
)
def test_every_decimal_is_read_back(number, form):
    assert read_numeral(form.format(number)).value == Fraction(number)


@given(st.integers(-LARGEST_EXPONENT, LARGEST_EXPONENT), st.integers(0, 99))
def test_powers_of_ten_within_the_bound_are_read(exponent, factor):
    assert read_numeral(f"{factor} \\times 10^{{{exponent}}}").value == factor * Fraction(10) ** exponent
    assert read_numeral(f"{factor}e{exponent}").value == factor * Fraction(10) ** exponent


@given(st.text(max_size=40))
def test_no_text_raises(text):
    read = read_numeral(text)
    assert read is None or isinstance(read.value, Fraction)


@given(st.text(alphabet=st.characters(categories=["Nd"], exclude_characters="0123456789"), min_size=1, max_size=6))
def test_digits_of_other_scripts_are_no_number(text):
    assert read_numeral(text) is None
    assert read_numeral(f"1{text}") is None
    assert read_numeral(f"{text}1") is None
