import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.reward.rouge import rouge_l

TEXTS = st.lists(st.sampled_from("abc"), max_size=6).map(" ".join)


@pytest.mark.parametrize(("said", "right", "value"), [
    ("police killed the gunman", "police kill the gunman", 3 / 4),
    ("the gunman kill police", "police kill the gunman", 2 / 4),
    ("a b c d", "a c", 2 * 2 / 6),
    ("Add to CART!", "add-to-cart", 1.0),
    ("a", "b", 0.0),
    ("", "b", 0.0),
    ("...", "...", 0.0),
    ("schwarzer Tee", "grüner Tee", 0.5),
    ("\u8336 \u676f", "\u8336", 2 / 3),
])  # fmt: skip
def test_by_hand(said, right, value):
    """The first two are Lin's own."""
    assert rouge_l(said, right) == pytest.approx(value)


@given(TEXTS, TEXTS)
def test_it_is_symmetric_between_0_and_1_and_1_for_equal_texts(one, other):
    assert rouge_l(one, other) == rouge_l(other, one)
    assert 0 <= rouge_l(one, other) <= 1
    assert rouge_l(one, one) == (1.0 if one else 0.0)
    assert (rouge_l(one, other) == 1) == (one == other != "")
