"""Answers that are no mathematics."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.reward.words import last_named, same_words


@pytest.mark.parametrize(
    ("given_text", "right"),
    [
        ("acb", "ACB"),
        ("No.", "no"),
        ("the Beatles", "Beatles"),
        ("St Louis", "St. Louis"),
        ("U.S.", "US"),
        ("(B)", "B"),
        ("B) Paris", "B"),
        ("B because it is red", "B"),
        ("option B", "B"),
        ("Hello, World!", "hello world"),
        ("\\text{Evelyn}", "Evelyn"),
        ("O’Brien", "O'Brien"),
        ("A", "A"),
        ("Yes, it is.", "yes"),
        ("A, B", "A,  B"),
    ],
)
def test_the_same(given_text, right):
    assert same_words(given_text, right)


@pytest.mark.parametrize(
    ("given_text", "right"),
    [
        ("ABC", "ACB"),
        ("on", "no"),
        ("C", "C++"),
        ("A or B", "B"),
        ("A, B", "B"),
        ("A) Rome B) Paris", "A"),
        ("yes and no", "yes"),
        ("Yes, no", "yes"),
        ("nothing", "no"),
        ("Paris, London", "Paris"),
        ("", "no"),
        ("Paris", "Pa ris"),
        ("x" * 10_000, "x"),
    ],
)
def test_not_the_same(given_text, right):
    assert not same_words(given_text, right)


@given(st.text(alphabet="ABCDE", min_size=2, max_size=5))
def test_no_other_order_of_letters_is_right(word):
    for other in itertools.permutations(word):
        assert same_words("".join(other), word) == ("".join(other) == word)


@given(st.text(min_size=1, max_size=30))
def test_every_text_with_a_word_is_its_own_answer(text):
    if any(c.isalnum() for c in text):
        assert same_words(text, text)


def test_what_a_sentence_names_last():
    assert last_named("The ratio is 2:1.") == "2:1."
    assert last_named("I do not know if it is B") == ""
    assert last_named("B") == ""
