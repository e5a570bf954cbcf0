"""The section of the unlearning study from numbers that no model gave: its claims can fail."""

import json
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from steelyard.core import SteelyardError
from steelyard.experiments.studies import unlearning
from steelyard.experiments.studies._forgetting_ways import UNTRAINED
from steelyard.policy.likelihood import total_logp
from steelyard.unlearn.all_audits import MEASURES
from steelyard.worlds.sync_loop import demonstration
from steelyard.worlds.topic_unlearning import WAYS, material, twins
from steelyard.worlds.topics import Topics


def write(root: Path, seed: int, **changed: float | None) -> None:
    """A seed in which all goes as claimed, but for the numbers of NPO that are changed."""
    numbers = {measure.name: 0.5 for measure in MEASURES} | {"half": None}
    forgot = numbers | {"forgotten": 0.0, "knn": 0.9}
    models = {"retrained": numbers | {"knn": 0.2, "told": 1.0}} | dict.fromkeys((*WAYS, *UNTRAINED), forgot)
    models |= dict.fromkeys(unlearning.GATED, forgot | {"reworded": 1.0})
    models["original"] = forgot | {"forgotten": 1.0}
    models["npo"] = forgot | changed
    (root / f"seed{seed}.json").write_text(json.dumps(models))


def test_the_table_has_every_model_and_every_audit(tmp_path: Path):
    for seed in range(2):
        write(tmp_path, seed)
    section = unlearning.section(tmp_path)
    assert section.shown
    assert [row[0] for row in section.rows] == ["retrained", *WAYS, *UNTRAINED]
    assert all(len(row) == len(section.columns) == len(MEASURES) + 1 for row in section.rows)
    assert section.draw is not None
    section.draw(tmp_path / "picture.png")
    assert matplotlib.image.imread(tmp_path / "picture.png")[..., :3].std() > 0.01


@pytest.mark.parametrize(("changed", "verdicts"), [
    ({"forgotten": 0.1}, [False, True, True, True]),
    ({"knn": 0.3}, [True, False, True, True]),
])  # fmt: skip
def test_one_seed_of_one_method_fails_a_claim(tmp_path: Path, changed, verdicts):
    write(tmp_path, 0)
    write(tmp_path, 1, **changed)
    assert [claim.shown for claim in unlearning.section(tmp_path).claims] == verdicts


def test_ways_that_train_nothing_forget_in_a_copy():
    world = Topics(subjects=4)
    models = twins(world, seed=0, steps=30)
    asked = material(world, models)
    before = models.original.weights().copy()
    for name, forget in UNTRAINED.items():
        policy = forget(world, models.original, asked, 0)
        rows = [demonstration(policy, row.prompt, row.answer) for row in asked.forget]
        assert not np.allclose(total_logp(policy, rows), total_logp(models.original, rows), atol=1e-3), name
        assert np.array_equal(policy.weights(), before) == (name != "rocr")
    assert np.array_equal(models.original.weights(), before)


def test_a_directory_without_seeds(tmp_path: Path):
    with pytest.raises(SteelyardError, match="holds no seeds of this study"):
        unlearning.section(tmp_path)
