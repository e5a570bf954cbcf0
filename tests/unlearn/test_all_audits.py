import numpy as np
import pytest

from steelyard.core import SteelyardError
from steelyard.policy import Policy
from steelyard.unlearn import AllAudits, InContext, MinK, Reworded, TrulyForgetting, Unalignment, Ununlearning
from steelyard.unlearn.all_audits import MEASURES
from steelyard.unlearn.material import Material
from steelyard.worlds.topic_unlearning import Twins, material
from steelyard.worlds.topics import LONGEST, SEPARATOR, Topics, untaught

WORLD = Topics(topics=2, subjects=6, values=2)


@pytest.fixture(scope="module")
def models():
    return Twins(*(untaught(WORLD, seed=seed, width=16) for seed in (0, 1)))


def test_its_numbers_are_those_of_the_audits(models):
    asked = material(WORLD, models)
    audit = AllAudits(LONGEST, separator=SEPARATOR, steps=2, learning_rate=1e-2)
    table = audit.measure(models.original, asked)
    attack = Unalignment(LONGEST, steps=2, learning_rate=1e-2)
    alone = {
        "reworded": (Reworded(LONGEST), "reworded", "accuracy"),
        "in_context": (InContext(LONGEST, separator=SEPARATOR), "forget_in_context", "accuracy"),
        "told": (Ununlearning(LONGEST), "told", "accuracy"),
        "membership": (MinK(LONGEST), "membership", "auc"),
        "knn": (TrulyForgetting(LONGEST), "forget", "knn"),
        "cka_retrained": (TrulyForgetting(LONGEST), "forget", "cka_retrained"),
        "recovered": (attack, "curve", "accuracy"),
        "half": (attack, "curve", "pairs"),
    }
    for column, (one, row, measure) in alone.items():
        assert table.number("model", column) == one.measure(models.original, asked).number(row, measure)
    assert [name for name, _ in table.rows] == ["model", "original", "retrained"]
    assert table.number("retrained", "quality") == table.number("retrained", "cka_retrained") == pytest.approx(1)
    assert table.number("original", "traces") == table.number("original", "cka_original") == pytest.approx(1)
    assert np.isfinite([x for _, row in table.rows for x in row if x is not None]).all()


def test_what_an_audit_lacks_leaves_its_column_empty(models):
    asked = material(WORLD, models)
    table = AllAudits(LONGEST, steps=1).measure(models.original, Material(asked.forget))
    empty = {m.name for m in MEASURES if table.number("model", m.name) is None}
    assert {"quality", "kept", "utility", "reworded", "membership", "cka_original", "cka_retrained"} <= empty
    assert {"forgotten", "in_context", "told", "knn", "traces", "recovered"}.isdisjoint(empty)


def test_models_are_loaded_by_name():
    policy = Policy.load("steelyard/arithmetic")
    rows = [(f"line {n}", {"prompt": f"{n}+1=", "answer": n + 1}) for n in range(2)]
    table = AllAudits(4, original="steelyard/arithmetic", steps=1).audit(policy, rows)
    assert [name for name, _ in table.rows] == ["model", "original"]
    assert dict(table.rows)["model"] == dict(table.rows)["original"]
    with pytest.raises(SteelyardError, match="nowhere"):
        AllAudits(original="nowhere/at-all").audit(policy, rows)
