import json
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import pytest

from experiments.fabricated import curve, fabricate, study
from steelyard.core import SteelyardError
from steelyard.experiments.harness import study_base
from steelyard.experiments.harness.run_index import label
from steelyard.experiments.studies import exact
from steelyard.experiments.studies.exact import ARMS, BASE, MISS, REACH, section

KEY = "eval/total_variation"


def distances(root: Path, *, seeds=(0, 1, 2), **ends: float) -> Path:
    """Run directories in which objectives go from 0.5 through 0.3 to an end: 0.02 where they should reach pi*."""
    for arm in ARMS:
        end = ends.get(arm.replace("-", "_"), 0.3 if arm in MISS else 0.02)
        for seed in seeds:
            rows = curve(0.5, 0.3, end + 0.001 * (seed % 10), key=KEY)
            made = fabricate(root / label(arm, seed), rows, seed=seed, total_variation_before=0.5)
            (made / "metrics.jsonl").write_text(json.dumps({"step": 1, "batch/reward_mean": 0.3 + seed}) + "\n")
    return root


def test_what_should_be_shown_is_shown(tmp_path):
    found = section(distances(tmp_path))
    assert found.shown
    assert [row[0] for row in found.rows] == list(ARMS)
    assert found.rows[0] == ["vargrad-tb", "0.500", "0.021 [0.020, 0.022]", "0.021 [0.020, 0.022]", "500", "30.0"]
    assert len(found.claims) == len(REACH) + len(MISS) + 1
    assert found.claims[-1].measured == "3 steps of each compared"


def test_one_seed_that_stays_away_fails_its_claim_alone(tmp_path):
    found = section(distances(tmp_path, rloo=0.049))
    [claim] = [claim for claim in found.claims if not claim.shown]
    assert claim.text.startswith("rloo ends below")
    assert claim.measured == "at most 0.051"


def test_other_data_is_found_out(tmp_path):
    root = distances(tmp_path)
    (root / label("kimi", 1) / "metrics.jsonl").write_text(json.dumps({"step": 1, "batch/reward_mean": 0.9}) + "\n")
    [claim] = [claim for claim in section(root).claims if not claim.shown]
    assert "the same groups" in claim.text


def test_a_baseline_that_touched_pi_star_on_the_way_counts_as_there(tmp_path):
    root = distances(tmp_path)
    for seed in range(3):
        rows = curve(0.5, 0.04 if seed == 1 else 0.3, 0.4, key=KEY)
        (root / label("grpo", seed) / "eval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    [claim] = [claim for claim in section(root).claims if not claim.shown]
    assert claim.text.startswith("grpo never comes below")
    assert claim.measured == "at least 0.040"


def test_the_picture_is_drawn_from_the_runs(tmp_path):
    section(study(tmp_path, ARMS, 0.5, 0.2, key=KEY)).draw(tmp_path / "exact.png")
    assert matplotlib.image.imread(tmp_path / "exact.png").ndim == 3


def test_every_objective_gets_the_same_data_and_as_many_steps():
    """But for the arm that says so in its name."""
    for arm, run in ARMS.items():
        free = {"objective": BASE.objective, "learning_rate": BASE.learning_rate}
        assert replace(run, **free, replay=BASE.replay) == BASE
        assert run.replay == BASE.replay or arm.endswith("own data")
    assert BASE.weight_sync_steps > BASE.max_steps


def test_the_store_holds_every_completion_and_recent_data_has_no_part_in_it():
    completions = len(BASE.task.completions())
    assert BASE.replay.capacity_per_prompt == completions
    assert BASE.replay.recent_probability == 0
    assert BASE.replay.reward_temperature > 0


def test_a_directory_without_runs_is_named(tmp_path):
    with pytest.raises(SteelyardError, match="holds no runs"):
        section(tmp_path)


def test_the_study_can_start_at_another_seed(tmp_path, monkeypatch):
    asked = {}

    def pretended(name, runs, *, jobs, directory):
        asked.update(runs)
        distances(Path(directory), seeds=(900, 901))

    monkeypatch.setattr(study_base, "sweep", pretended)
    got = exact.measure(exact.Study(seeds=2, first_seed=900, output_dir=str(tmp_path / "runs")))
    assert got["shown"]
    assert {run.seed for run in asked.values()} == {900, 901}
    assert len(asked) == 2 * len(ARMS)
