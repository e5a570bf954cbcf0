from pathlib import Path

import pytest

from experiments.fabricated import curve, fabricate, study
from steelyard.core import SteelyardError
from steelyard.experiments.harness.run_index import by_seed, directories, label


def test_runs_come_back_by_arm_and_seed(tmp_path: Path):
    root = study(tmp_path, ["a", "b, c"], 0.1, 0.5, seeds=(900, 902))
    (root / "_base").mkdir()
    (root / "_base/config.json").write_text("{}")  # a model that the study prepared is no run
    found = by_seed(root, ["b, c", "a"])
    assert list(found) == ["b, c", "a"]
    assert [list(runs) for runs in found.values()] == [[900, 902], [900, 902]]
    assert found["b, c"][902].evals[-1]["eval/accuracy"] == pytest.approx(0.511)
    assert [path.name for path in directories(root)] == ["a-seed900", "a-seed902", "b-c-seed900", "b-c-seed902"]


@pytest.mark.parametrize(("arm", "name"), [("0.95", "0.95-seed3"), ("0.1 -> 0.003", "0.1-0.003-seed3")])
def test_a_label_is_a_name_of_a_directory(arm, name):
    assert label(arm, 3) == name


def test_what_is_missing_or_unfinished_is_named(tmp_path: Path):
    root = study(tmp_path, ["a"], 0.1, 0.5, seeds=(0, 1))
    with pytest.raises(SteelyardError, match=r"b-seed0: is missing; begin the study again with the same --output-dir"):
        by_seed(root, ["a", "b"])
    fabricate(root / "b-seed0", curve(0.1, 0.2), ended=False)
    with pytest.raises(SteelyardError, match=r"b-seed0: has not reached its end; begin the study again"):
        by_seed(root, ["a", "b"])
    with pytest.raises(SteelyardError, match="holds no runs of this study"):
        by_seed(root / "nothing", ["a"])
