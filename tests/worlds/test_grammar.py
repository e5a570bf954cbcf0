import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError, Task
from steelyard.worlds.grammar import (
    ADJECTIVES,
    CHARACTERS,
    DETERMINERS,
    LONGEST,
    NOUNS,
    VERBS,
    Grammar,
    first_sentence,
    is_clean,
    logp_clean,
    unwanted,
)  # fmt: skip

TASK = Grammar()


def phrases():
    for d, a in itertools.product(DETERMINERS, ("", *ADJECTIVES)):
        yield from (d + a + n for n in NOUNS[d])


def test_probabilities_by_hand():
    # ba .6, no adjective .7, ki .5; so .4; de .4, fo .3 * .5, ri .2
    assert logp_clean("bakisodefori.") == pytest.approx(math.log(0.6 * 0.7 * 0.5 * 0.4 * 0.4 * 0.3 * 0.5 * 0.2))


def test_the_clean_source_sums_to_one():
    sentences = [f"{one}{verb}{other}." for one, verb, other in itertools.product(phrases(), VERBS, phrases())]
    assert len(set(sentences)) == 24 * 4 * 24
    assert math.fsum(math.exp(logp_clean(s)) for s in sentences) == pytest.approx(1.0)
    assert max(map(len, sentences)) == LONGEST


def test_a_fifth_of_the_sentences_is_bad_and_the_others_are_clean():
    sentences = TASK.sentences(2000, seed=0)
    assert sentences == TASK.sentences(2000, seed=0) != TASK.sentences(2000, seed=1)
    assert np.mean([unwanted(s) for s in sentences]) == pytest.approx(0.2, abs=0.03)
    assert all(is_clean(s) != unwanted(s) for s in sentences)
    assert set("".join(sentences)) == set(CHARACTERS)
    assert not any(map(unwanted, TASK.sentences(200, seed=0, bad=0.0)))
    assert all(map(unwanted, Grammar(bad=1.0).sentences(200, seed=0)))


@given(st.integers(0, 10**6))
def test_clean_sentences_have_a_probability(seed):
    (sentence,) = TASK.sentences(1, seed=seed, bad=0.0)
    assert -20 < logp_clean(sentence) < 0


@pytest.mark.parametrize("text", ["", "bakisobaki", "bakiso.", "banasobaki.", "baxisobaki.", "bakisobaki.ba", "kiso."])
def test_what_the_clean_source_never_says(text):
    assert logp_clean(text) == -math.inf


def test_is_a_task(answered):
    assert isinstance(TASK, Task)
    ba, de = TASK.prompts("train")
    assert (ba.text, de.text) == ("ba", "de")
    scores = TASK.score([answered(ba, text) for text in ("kisobaki.dexi", "xisobaki.", "kixosoba.", "")])
    assert [s.value for s in scores] == [1.0, 0.0, 0.0, 0.0]
    assert [s.parts["unwanted"] for s in scores] == [0.0, 1.0, 1.0, 0.0]
    assert first_sentence("ab.cd.") == "ab."
    with pytest.raises(SteelyardError, match="unknown split"):
        TASK.prompts("test")


def test_an_impossible_share_is_refused():
    with pytest.raises(SteelyardError, match=r"grammar\.bad"):
        Grammar(bad=1.5)
