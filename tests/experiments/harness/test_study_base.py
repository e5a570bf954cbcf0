from dataclasses import fields, replace
from pathlib import Path

import pytest

from experiments.fabricated import study as fabricated
from steelyard.core import SteelyardError
from steelyard.experiments import studies
from steelyard.experiments.harness import study_base
from steelyard.experiments.harness.claim import stated
from steelyard.experiments.harness.run_index import by_seed
from steelyard.experiments.harness.section import Section
from steelyard.experiments.harness.study_base import Study, Swept, carry_out, grid, place
from steelyard.objective import VarGradTB
from steelyard.runtime import Run
from steelyard.task import Enumerable

ONE = Run(task=Enumerable(), objective=VarGradTB(), model="steelyard/enumerable", runtime="inline")
ARMS = {"one, slow": ONE, "two": replace(ONE, learning_rate=1e-3)}
OTHERS = (
    "wall-clock", "red-team", "red-team-families", "diverse", "pretrained", "unlearning",
    "frontier", "frontier-answers", "frontier-sparse",
)  # fmt: skip
"""Studies that are more than a sweep."""
GRIDS = [name for name in studies.names() if name not in OTHERS]


def counted(root: Path) -> Section:
    found = by_seed(root, ARMS)
    rows = [[arm, str(len(runs))] for arm, runs in found.items()]
    claim = stated("there are two arms", f"{len(rows)}", len(rows) == 2)
    return Section("Counted", "", ["arm", "runs"], rows, [claim], draw=lambda path: path.touch())


def test_a_grid_goes_seed_by_seed():
    """So that a study cut short has whole seeds."""
    runs = grid(ARMS, 2, 900)
    assert list(runs) == ["one-slow-seed900", "two-seed900", "one-slow-seed901", "two-seed901"]
    assert runs["two-seed901"] == replace(ONE, learning_rate=1e-3, seed=901)
    assert list(grid(ARMS, 1)) == ["one-slow-seed0", "two-seed0"]


def test_what_was_carried_out_is_read_back_and_told(tmp_path: Path, monkeypatch, capsys):
    asked = {}

    def pretended(name, runs, *, jobs, directory):
        asked.update(name=name, runs=runs, jobs=jobs)
        fabricated(Path(directory), ARMS, 0.5)

    monkeypatch.setattr(study_base, "sweep", pretended)
    root = str(tmp_path / "runs")
    told = carry_out("counted", grid(ARMS, 3), counted, Swept(output_dir=root, jobs=2))
    assert told == {"output_dir": root, "rows": [["one, slow", "3"], ["two", "3"]], "shown": True}
    assert asked == {"name": "counted", "runs": grid(ARMS, 3), "jobs": 2}
    said = capsys.readouterr().out
    assert "there are two arms: 2: shown" in said
    assert f"picture: {root}/picture.png" in said
    assert Path(root, "picture.png").is_file()


def test_runs_go_where_they_are_told_to_or_to_a_new_place():
    assert place("x", "there") == Path("there")
    assert place("x", None).name.startswith("study-x-2")


@pytest.mark.parametrize("name", GRIDS)
def test_every_study_runs_each_arm_with_each_seed(name, tmp_path: Path, monkeypatch):
    asked = {}

    def noted(name, runs, *, jobs, directory):
        asked.update(name=name, runs=runs, jobs=jobs, directory=directory)
        raise SteelyardError("is noted", where=name, hint="nothing is run")

    monkeypatch.setattr(study_base, "sweep", noted)
    module = studies.find(name)
    first = {"first_seed": 900} if issubclass(module.Study, Study) else {}
    with pytest.raises(SteelyardError, match="is noted"):
        module.measure(module.Study(seeds=2, output_dir=str(tmp_path), **first))
    jobs = 0 if "jobs" in {field.name for field in fields(module.Study)} else 1  # the demo is alone on the machine
    assert (asked["name"], asked["jobs"], asked["directory"]) == (name, jobs, str(tmp_path))
    by_arm = {}
    for label, run in asked["runs"].items():
        assert label.endswith(f"seed{run.seed}")
        by_arm.setdefault(label.removesuffix(f"seed{run.seed}"), []).append(run)
    for one, other in by_arm.values():
        assert (one.seed, other.seed) == ((900, 901) if first else (0, 1))
        assert replace(one, seed=other.seed) == other
