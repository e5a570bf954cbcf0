import pytest

from steelyard.eval.reflection import reflection, reflects


@pytest.mark.parametrize(
    "text", ["Wait, 3 is odd.", "Let\u2019s check.", "so 4.\nHmm", "I double-check it", "ALTERNATIVELY"]
)
def test_it_looks_back(text):
    assert reflects(text)


@pytest.mark.parametrize("text", ["The waiter checked out.", "so 4", "", "verifying nothing"])
def test_it_does_not(text):
    assert not reflects(text)


def test_the_share_is_of_texts_with_words():
    assert reflection(["Wait, no", "it is 4", "12", ""]) == 0.5
    assert reflection(["12", "", "3+4"]) is None
