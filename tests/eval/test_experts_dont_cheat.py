"""Confidence by pairs of answers: numbers by hand, a taste and a fact that is not known, and what is refused."""

import numpy as np
import pytest

from steelyard.core import SteelyardError
from steelyard.eval import ExpertsDontCheat
from steelyard.eval.experts_dont_cheat import of_pairs
from steelyard.pretrain.spectrum import Spectrum
from steelyard.task.draws import Example
from steelyard.worlds.sync_loop import imitate_all, tiny_policy

SHOWN = Spectrum(role="{role} ", after=" ", max_draws=2)
AUDIT = ExpertsDontCheat(showing=SHOWN, samples=32, max_completion_length=2)
ROWS = [
    ("line 1", {"prompt": "taste", "answers": ["x", "y", "y", "x"]}),
    ("line 2", {"prompt": "fact", "answers": ["x", "x"]}),
]


@pytest.fixture(scope="module")
def policy():
    """Of a taste either word is true at any time; a fact has one, and which is not told: half of its rows say each."""
    made = tiny_policy(["taste", "fact", "x", "y", "description", "output"], seed=0, width=32, context=16, spaced=True)
    pairs = [("taste", a, b) for a in "xy" for b in "xy"] + [("fact", a, a) for a in "xy"] * 2
    rows = [SHOWN.sequence(made, x, [Example(a), Example(b)]).trajectory for x, a, b in pairs]
    imitate_all(made, rows, steps=400, batch=16, learning_rate=3e-3, seed=0)
    return made


def test_by_hand():
    found = of_pairs(np.array([0.5, 0.25, 0.5]), np.array([1.0, 0.25, 0.4]))
    assert found.variance_N.tolist() == pytest.approx([0.25, 0.0, 0.0])  # .5 (1 - .5): a coin of which nothing is known
    assert found.confidence_N.tolist() == pytest.approx([0.5, 1.0, 1.0])
    assert of_pairs(np.zeros(1), np.zeros(1)).confidence_N.tolist() == [1.0]


def test_ignorance_is_told_from_taste(policy):
    said = [("taste", "x"), ("taste", "y"), ("fact", "x"), ("fact", "y")]
    assert np.exp(AUDIT.first(policy, said)) == pytest.approx([0.5] * 4, abs=0.1)  # alike, whichever it is
    found = AUDIT.estimates(policy, said)
    assert found.confidence_N[:2].min() > 0.85
    assert found.confidence_N[2:] == pytest.approx([0.5, 0.5], abs=0.15)
    assert np.sqrt(found.variance_N[2:]) == pytest.approx([0.5, 0.5], abs=0.1)


def test_the_table_rejects_what_is_not_known(policy):
    found = AUDIT.audit(policy, ROWS).data()["rows"]["all"]
    assert found["prompts"] == 2 and found["samples"] > 56
    assert found["rejected"] == pytest.approx(0.5, abs=0.15)
    assert found["given"] == pytest.approx(0.75, abs=0.15)  # half of the fact's answers are not in the file
    assert found["given_accepted"] > 0.95
    assert found["impossible"] == pytest.approx(1 - found["confidence"])
    assert found["cheats"] > 0.1


def test_answers_to_one_prompt_are_put_together(policy):
    apart = [("line 1", {"prompt": "fact", "answers": ["x"]}), ("line 2", {"prompt": "fact", "answers": ["x"]})]
    one, other = (AUDIT.audit(policy, rows).data()["rows"]["all"] for rows in (apart, [ROWS[1]]))
    assert one.pop("cheats") is None  # no row has two answers
    other.pop("cheats")
    assert one == other


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "there are no rows"),
        ([("line 1", {"prompt": "fact"})], "there is no column 'answers'"),
        ([("line 1", {"prompt": "fact " * 30, "answers": ["x"]})], "leaves no room for two answers"),
    ],
)
def test_wrong_rows_are_refused(policy, rows, told):
    with pytest.raises(SteelyardError, match=told):
        AUDIT.audit(policy, rows)
