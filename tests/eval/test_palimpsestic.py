"""The order of training data in a model and in a text: numbers by hand, a run that is known, and chance."""

import json

import numpy as np
import pytest

from steelyard.core import SteelyardError, rng
from steelyard.eval import Palimpsestic
from steelyard.eval.palimpsestic import document_logp, grams, later_is_larger, rank_p, standardized
from steelyard.pretrain.document import document, trajectory_of
from steelyard.worlds.sync_loop import imitate_all, tiny_policy

TEXTS = ["abab", "baba", "aabb", "bbaa", "abba", "baab", "aaab", "bbba"]
ROWS = [(f"line {i}", {"text": text, "order": i}) for i, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def policy():
    """A model that knows the second half of the rows, as if it had learned them last."""
    made = tiny_policy("ab", seed=0, width=32, heads=2, context=8)
    rows = [trajectory_of(made, document([text], lambda _: 0.0)) for text in TEXTS[4:]]
    imitate_all(made, rows, steps=300, batch=8, learning_rate=1e-2, seed=0)
    return made


def test_by_hand():
    assert grams("a b c", 2) == [("a", "b"), ("b", "c")] and grams("a", 2) == []
    rho, p = later_is_larger(np.arange(5.0), np.array([1.0, 2.0, 3.0, 5.0, 4.0]))
    assert rho == pytest.approx(0.9)  # 1 - 6 * 2 / (5 * 24)
    assert p < 0.05
    assert later_is_larger(np.arange(3.0), np.ones(3)) == (0.0, 1.0)
    assert standardized(3.0, np.array([0.0, 2.0])) == pytest.approx(2.0 / 2**0.5)
    assert standardized(3.0, np.array([1.0])) is None
    assert rank_p(2.0, np.array([0.0, 1.0, 3.0])) == 0.5


def test_p_values_of_chance_are_uniform():
    draws = rng(0, "test")
    values = [later_is_larger(draws.permutation(60).astype(float), np.arange(60.0))[1] for _ in range(400)]
    assert np.mean(np.array(values) < 0.1) == pytest.approx(0.1, abs=0.04)


def test_a_model_that_knows_what_came_last_is_told(policy):
    found = Palimpsestic().audit(policy, ROWS)
    assert found.number("query", "rows") == 8
    assert found.number("query", "statistic") > 0.5 and found.number("query", "p") < 0.1
    assert found.number("query", "logp") == pytest.approx(document_logp(policy, TEXTS).mean())
    turned = [(place, {**row, "order": -row["order"]}) for place, row in ROWS]
    assert Palimpsestic().audit(policy, turned).number("query", "p") > 0.9


def test_a_reference_like_the_model_takes_everything_away(policy, tmp_path):
    policy.save(tmp_path / "reference")
    found = Palimpsestic(reference=str(tmp_path / "reference")).audit(policy, ROWS)
    assert found.number("query", "p") == pytest.approx(1.0, abs=0.6)
    assert found.number("query", "logp") == pytest.approx(0.0, abs=1e-5)


def test_a_text_is_told_by_its_k_grams_and_by_reshuffled_models(policy, tmp_path):
    words = [f"w{i} x{i} y{i}" for i in range(12)]
    rows = [(f"line {i}", {"text": text, "order": i}) for i, text in enumerate(words)]
    observed = tmp_path / "observed.jsonl"
    observed.write_text("".join(json.dumps({"text": text}) + "\n" for text in words[8:]))
    other = tiny_policy("ab", seed=1, width=16, layers=1, heads=2, context=16)
    other.save(tmp_path / "other")
    settings = Palimpsestic(observed=str(observed), k=2, parts=6, reshuffled=(str(tmp_path / "other"),) * 2)
    found = settings.audit(other, rows)
    assert found.number("partition", "rows") == 8
    assert found.number("partition", "statistic") > 0.7 and found.number("partition", "p") < 0.1
    assert found.number("reshuffled", "statistic") is None  # its others are all alike
    assert found.number("reshuffled", "p") == 1.0


def test_wrong_rows_and_settings_are_refused(policy, tmp_path):
    with pytest.raises(SteelyardError, match="there are 2 rows"):
        Palimpsestic().audit(policy, ROWS[:2])
    with pytest.raises(SteelyardError, match="no column 'order'"):
        Palimpsestic().audit(policy, [("line 1", {"text": "a"})] * 3)
    with pytest.raises(SteelyardError, match="name --observed"):
        Palimpsestic(reshuffled=("a",)).audit(policy, ROWS)
    observed = tmp_path / "observed.jsonl"
    observed.write_text('{"text": "a"}\n')
    with pytest.raises(SteelyardError, match="no text has 4 words"):
        Palimpsestic(observed=str(observed)).audit(policy, ROWS)
