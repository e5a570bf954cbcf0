"""The section of the unlearning study from numbers that no model gave: its claims can fail."""

import json
from pathlib import Path

import matplotlib.image
import pytest

from steelyard.core import SteelyardError
from steelyard.experiments.studies import unlearning
from steelyard.unlearn.all_audits import MEASURES
from steelyard.worlds.topic_unlearning import WAYS


def write(root: Path, seed: int, **changed: float | None) -> None:
    """A seed in which all goes as claimed, but for the numbers of NPO that are changed."""
    numbers = {measure.name: 0.5 for measure in MEASURES} | {"half": None}
    forgot = numbers | {"forgotten": 0.0, "knn": 0.9}
    models = {"retrained": numbers | {"knn": 0.2, "told": 1.0}} | dict.fromkeys(WAYS, forgot)
    models["original"] = forgot | {"forgotten": 1.0}
    models["npo"] = forgot | changed
    (root / f"seed{seed}.json").write_text(json.dumps(models))


def test_the_table_has_every_model_and_every_audit(tmp_path: Path):
    for seed in range(2):
        write(tmp_path, seed)
    section = unlearning.section(tmp_path)
    assert section.shown
    assert [row[0] for row in section.rows] == ["retrained", *WAYS]
    assert all(len(row) == len(section.columns) == len(MEASURES) + 1 for row in section.rows)
    assert section.draw is not None
    section.draw(tmp_path / "picture.png")
    assert matplotlib.image.imread(tmp_path / "picture.png")[..., :3].std() > 0.01


@pytest.mark.parametrize(("changed", "verdicts"), [
    ({"forgotten": 0.1}, [False, True, True]),
    ({"knn": 0.3}, [True, False, True]),
])  # fmt: skip
def test_one_seed_of_one_method_fails_a_claim(tmp_path: Path, changed, verdicts):
    write(tmp_path, 0)
    write(tmp_path, 1, **changed)
    assert [claim.shown for claim in unlearning.section(tmp_path).claims] == verdicts


def test_a_directory_without_seeds(tmp_path: Path):
    with pytest.raises(SteelyardError, match="holds no seeds of this study"):
        unlearning.section(tmp_path)
