import numpy as np
import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.worlds.long_texts import KEYS, PAIRS, QUESTIONS, VALUES, WORDS, LongTexts, fit_encoder


def place_and_class(tokens):
    """Where the asked pair stands, and its value, read from the text alone."""
    asked = int(tokens[0]) - QUESTIONS
    pairs = [i for i, t in enumerate(tokens.tolist()) if PAIRS <= t < WORDS and (t - PAIRS) // VALUES == asked]
    assert len(pairs) == 1
    return pairs[0], (int(tokens[pairs[0]]) - PAIRS) % VALUES


@pytest.mark.parametrize(("split", "low", "high"), [("train", 1, 63), ("early", 8, 15), ("late", 48, 63)])
def test_the_class_is_the_value_of_the_asked_key(split, low, high):
    texts = LongTexts().texts(split, 200)
    found = [place_and_class(tokens) for tokens in texts.input_NF]
    assert [value for _, value in found] == texts.label_N.tolist()
    assert low <= min(place for place, _ in found) <= max(place for place, _ in found) <= high
    assert sorted({int(t[0]) for t in texts.input_NF}) == [QUESTIONS + k for k in range(KEYS)]


def test_the_first_quarter_knows_what_the_docstring_says():
    texts = LongTexts().texts("train", 4000)
    seen = np.mean([place_and_class(tokens)[0] < 16 for tokens in texts.input_NF])
    assert seen == pytest.approx(15 / 63, abs=0.03)
    assert pytest.approx(0.43, abs=0.005) == 0.25 + 0.75 * 15 / 63


def test_values_of_the_other_keys_say_nothing():
    texts = LongTexts().texts("train", 4000)
    assert (texts.label_N.bincount() / 4000).tolist() == pytest.approx([0.25] * 4, abs=0.03)


def test_the_encoder_is_fitted_alike_for_equal_seeds():
    few = LongTexts(length=32).texts("train", 16)
    logits = [fit_encoder(few, 4, 0, steps=1)(few.input_NF).detach() for _ in range(2)]
    assert logits[0].shape == (16, 4)
    assert torch.equal(*logits)


def test_short_texts_are_refused():
    with pytest.raises(SteelyardError, match=r"long-texts\.length: is 8; use 32 to 4096"):
        LongTexts(length=8)
