import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.cli.sanitize import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("12+7=19", "12+7=19"),
        ("\x1b[2J\x07", "␛[2J␇"),
        ("a\r\n\tb\x00\x7f", "a␍␊␉b␀␡"),
        ("\x9b31m", "\\u009b31m"),
        ("\u202eright\u2066", "\\u202eright\\u2066"),
        ("\U000e0041", "\\ue0041"),
        ("\ud800\u2028", "\\ud800\\u2028"),
        ("日本 é 👩\u200d🔬 [red]", "日本 é 👩\u200d🔬 [red]"),
    ],
)
def test_by_hand(text, shown):
    assert plain(text) == shown


@given(st.text(st.characters()))
def test_nothing_is_left_that_a_terminal_obeys(text):
    shown = plain(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
    assert len(shown.splitlines()) <= 1
    assert plain(shown) == shown
    shown.encode()
