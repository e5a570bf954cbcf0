"""What a model must state falsely: numbers by hand, a model that is known, and truths that are told."""

import json

import numpy as np
import pytest

from steelyard.core import SteelyardError
from steelyard.eval import MustHallucinate
from steelyard.eval.must_hallucinate import miscalibration, monofacts
from steelyard.worlds.sync_loop import imitate_all, tiny_policy

TRAIN = ["ax", "ax", "ax", "by"]
HELD_OUT = ["ax", "ax", "by", "ax"]
ROWS = [(f"line {i}", {"text": text, "part": "train"}) for i, text in enumerate(TRAIN)]
ROWS += [(f"line {9 + i}", {"text": text, "part": "held-out"}) for i, text in enumerate(HELD_OUT)]


@pytest.fixture(scope="module")
def policy():
    """A model that says ax three times in four, else by."""
    from steelyard.eval.must_hallucinate import statement

    made = tiny_policy("abxy", seed=0, width=16, layers=1, heads=2, context=8)
    rows = [statement(made, MustHallucinate().beginning(made), text) for text in TRAIN]
    imitate_all(made, rows, steps=150, batch=16, learning_rate=2e-2, seed=0)
    return made


def test_by_hand():
    assert monofacts(["a", "a", "b", "c"]) == 0.5
    assert monofacts(["a", "a"]) == 0.0
    # Two bins: p has half in either, g all in the first; a distance of a half.
    assert miscalibration(np.array([-0.5, -1.5]), np.array([-0.2, -0.7]), 1.0) == pytest.approx(0.5)
    assert miscalibration(np.array([-0.5, -1.5]), np.array([-0.7, -1.1]), 1.0) == 0.0


def test_a_model_that_repeats_its_training_hallucinates_nothing(policy):
    table = MustHallucinate(samples=256).audit(policy, ROWS)
    found = table.data()["rows"]["all"]
    assert found["statements"] == found["held_out"] == 4
    assert found["monofacts"] == 0.25
    assert found["novel"] < 0.1 and found["cut_off"] < 0.05
    assert found["miscalibration"] < 0.15  # the model says either as often as it is heard
    assert found["predicted"] == pytest.approx(max(0.0, 0.25 - found["miscalibration"]))
    assert found["hallucinated"] is None


def test_what_is_true_is_not_hallucinated(policy, tmp_path):
    rows = [(place, {**row, "text": row["text"] if row["part"] == "held-out" else "ax"}) for place, row in ROWS]
    truth = tmp_path / "truth.jsonl"
    truth.write_text("".join(json.dumps({"text": text}) + "\n" for text in ("ax", "by")))
    told = MustHallucinate(samples=256, truth=str(truth)).audit(policy, rows)
    assert told.number("all", "novel") == pytest.approx(0.25, abs=0.1)
    assert told.number("all", "hallucinated") < 0.05
    truth.write_text(json.dumps({"text": "ax"}) + "\n")
    less = MustHallucinate(samples=256, truth=str(truth)).audit(policy, rows)
    assert less.number("all", "hallucinated") == less.number("all", "novel")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (ROWS[:4], "no statement is held-out"),
        (ROWS[4:], "no statement is train"),
        ([("line 1", {"text": "ax", "part": "test"})], "is 'test'"),
        ([("line 1", {"text": "ax"})], "there is no column 'part'"),
        ([*ROWS, ("line 9", {"text": "ax" * 9, "part": "train"})], "a statement has"),
    ],
)
def test_wrong_rows_are_refused(policy, rows, told):
    with pytest.raises(SteelyardError, match=told):
        MustHallucinate().audit(policy, rows)
