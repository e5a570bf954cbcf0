import pytest

from steelyard.task.decontamination import HeldOutIndex, words_of

HELD = "Ann has 3 pears and buys 4 more . How many has she ?"
"""14 words."""


def test_words():
    assert words_of("What's 2+2=?\n") == ("what", "'", "s", "2", "+", "2", "=", "?")
    chat = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "2 + 2"},
        {"role": "assistant", "content": "4"},
        {"role": "user", "content": "Sure?"},
    ]
    assert words_of(chat) == ("2", "+", "2", "sure", "?")


def test_by_hand():
    """Eight words in a row are in common, which is one 8-gram and 8/14 = 0.57 of the held-out prompt."""
    index = HeldOutIndex([HELD], size=8, most=0.5)
    assert index.overlap("Yesterday ann HAS 3 pears and buys 4 more than Bob has .") == "near"
    assert index.overlap("ann has 3 pears and buys 4 plums") is None, "seven words in a row are no 8-gram"
    assert index.overlap("ann has 3 pears and buys 4 more") == "near"
    assert HeldOutIndex([HELD], size=8, most=0.6).overlap("ann has 3 pears and buys 4 more") is None


def test_shares_are_of_one_training_prompt_alone():
    """Half of the words are in one prompt and half in another: neither overlaps by more than half."""
    held = " ".join(map(str, range(20)))
    index = HeldOutIndex([held], size=8)
    assert index.overlap(" ".join(map(str, range(10)))) is None
    assert index.overlap(" ".join(map(str, range(10, 20)))) is None
    assert index.overlap(" ".join(map(str, range(11)))) == "near"


@pytest.mark.parametrize(
    ("prompt", "found"), [("2 + 2 =", "equal"), ("2+2=", "equal"), ("2-2=", None), ("12+2=", None)]
)
def test_short_prompts_overlap_only_with_the_same_words(prompt, found):
    assert HeldOutIndex(["2+2="]).overlap(prompt) == found


def test_with_a_bound_of_one_only_equal_prompts_overlap():
    index = HeldOutIndex([HELD], most=1.0)
    assert index.overlap(HELD.upper()) == "equal"
    assert index.overlap(f"{HELD} Why ?") is None
    assert HeldOutIndex([HELD]).overlap(f"{HELD} Why ?") == "near"


def test_nothing_held_out_overlaps_with_nothing():
    assert HeldOutIndex([]).overlap(HELD) is None
