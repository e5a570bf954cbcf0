import json
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.fabricated import fabricate
from steelyard.core import SteelyardError
from steelyard.experiments.harness.run_index import label
from steelyard.experiments.studies import frontier, frontier_sparse
from steelyard.experiments.studies._frontier import arms
from steelyard.experiments.studies._frontier.cells import CENTRE, FRESH, LAGS, Cell, along
from steelyard.experiments.studies._frontier.found import read
from steelyard.experiments.studies._frontier.worlds import WORLDS
from steelyard.objective import DrGRPO
from steelyard.replay import PrioritizedReplay, SingleUse

ACCURACY = "eval/accuracy"


def ended(root: Path, name: str, *values: float, seed: int = 0, steps: int = 200, trajectories: int = 25_600) -> None:
    """A run that ended, with an evaluation every twenty steps."""
    rows = [
        {"step": 20 * i, ACCURACY: v, "eval/reward_mean": v, "eval/distinct_correct": 2.0} for i, v in enumerate(values)
    ]
    said = {"run": {"max_steps": steps}}
    place = fabricate(root / label(name, seed), rows, seed=seed, config=said, trajectories=trajectories)
    found = [{"step": step, "search/reward_mean": float(step >= 50)} for step in range(1, steps + 1)]
    (place / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    """A study whose tuning has ended: .0003 is best for all, and gspo and the middle beta of their kinds."""
    best = ("gspo", "vargrad-tb-beta0.001", "weighted-tb-beta0.001")
    for seed in arms.TUNING_SEEDS:
        for name in arms.tried("sparse"):
            for rate in arms.RATES:
                score = 0.5 + 0.2 * (rate == 3e-4) + 0.1 * (name in best)
                ended(tmp_path / "_tuning", f"{name}-rate{rate:g}", 0.0, score, score, score, seed=seed)
    return tmp_path


def test_tuning_tries_each_candidate_as_often_and_on_seeds_that_no_cell_has():
    runs = arms.tuning("sparse", "base")
    assert len(runs) == (3 + 3 + 9 + 1 + 1) * len(arms.RATES) * 2
    assert {run.seed for run in runs.values()} == {900, 901}
    fresh = {run.inline.publication_lag for name, run in runs.items() if "on-policy" in name}
    assert fresh == {0}
    assert {run.inline.publication_lag for name, run in runs.items() if "on-policy" not in name} == {64}


def test_the_best_candidate_and_its_rate_are_taken(tuned: Path):
    found = arms.tuned(tuned / "_tuning", "sparse")
    assert {arm: one.objective for arm, one in found.items()} == {
        "tb": "vargrad-tb-beta0.001",
        "weighted-tb": "weighted-tb-beta0.001",
        "corrected": "gspo",
        "uncorrected": "uncorrected",
        "on-policy": "on-policy",
    }
    assert {one.rate for one in found.values()} == {3e-4}


def test_a_study_without_its_tuning_says_what_is_missing(tmp_path: Path):
    with pytest.raises(SteelyardError, match="is missing"):
        arms.tuned(tmp_path, "sparse")


def test_trajectory_balance_draws_from_its_buffer_also_where_samples_are_used_once():
    runs = {name: arms.run_of(name, "sparse", CENTRE, 1e-3, "base") for name in arms.tried("sparse")}
    buffered = {name for name, run in runs.items() if isinstance(run.replay, PrioritizedReplay)}
    assert buffered == {name for name in runs if "tb-beta" in name}


def test_a_run_lasts_four_times_its_lag_and_samples_for_its_reuse():
    far = arms.run_of("uncorrected", "sparse", Cell(lag=512), 1e-3, "base")
    assert (far.max_steps, far.inline.publication_lag, far.search_prompts) == (2048, 512, 16)
    assert isinstance(far.replay, SingleUse)
    again = arms.run_of("uncorrected", "sparse", Cell(reuse=16), 1e-3, "base")
    assert (again.max_steps, again.search_prompts) == (400, 1)
    assert isinstance(again.replay, PrioritizedReplay)
    assert arms.run_of("on-policy", "sparse", Cell(lag=512), 1e-3, "base").inline.publication_lag == 0


def test_dr_grpo_is_divided_by_the_longest_completion_of_the_world():
    objective = arms.run_of("on-policy", "sparse", CENTRE, 1e-3, "base").objective
    assert objective == replace(DrGRPO(), max_length=WORLDS["sparse"].longest)


def test_cells_lie_along_the_axes_and_each_run_has_a_name_of_its_own(tuned: Path):
    cells = along()
    assert len(cells) == 11
    assert sum((c.lag != 1) + (c.reuse != 1) + (c.searchers != 1) for c in cells) == 10
    runs = arms.runs_of(arms.tuned(tuned / "_tuning", "sparse"), "sparse", cells, "base")
    assert len(runs) == 4 * 11 + 1


def test_what_was_not_run_is_shown_as_such_and_samples_are_counted_to_the_score(tuned: Path):
    for seed in range(3):
        ended(tuned, arms.name_of("tb", CENTRE), 0.0, 0.3, 0.6, 0.9, seed=seed)
        ended(tuned, arms.name_of("tb", Cell(lag=256)), 0.0, 0.3, 0.6, 0.89, seed=seed)
        ended(tuned, arms.name_of("on-policy", FRESH), 0.0, 0.3, 0.4, 0.5, seed=seed)
    found = frontier_sparse.section(tuned)
    rows = {tuple(row[:2]): row[2:] for row in found.rows}
    # Half is reached at step 40 of 200, after a fifth of 25,600 samples; the anchor reaches it at step 60. The first
    # right answer is found at step 50: a quarter.
    assert rows["lag 1", "tb"][2:4] == ["5120", "6400"]
    assert rows["fresh", "on-policy"][2] == "7680"
    assert set(rows["lag 1", "corrected"]) == {"not run"}
    assert len(rows) == 4 + 4 + 1
    assert "Not run: lag 16, lag 64, lag 512, reuse 4, reuse 16, 4 searchers," in found.text
    assert "tb vargrad-tb-beta0.001 0.0003" in found.text
    assert [claim.shown for claim in found.claims] == [True, False]
    assert found.draw is not None
    found.draw(tuned / "picture.png")
    assert (tuned / "picture.png").stat().st_size > 5000


def test_a_ladder_that_finds_in_half_the_samples_is_judged_by_arm(tuned: Path):
    for cell, trajectories in (
        (CENTRE, 25_600),
        (Cell(searchers=16), 25_600),
        (Cell(searchers=16, ladder=True), 12_800),
    ):
        ended(tuned, arms.name_of("weighted-tb", cell), 0.0, 0.1, trajectories=trajectories)
    (claim,) = frontier_sparse.section(tuned).claims
    assert claim.measured == "6,400 samples by one, 6,400 by 16 alike, 3,200 by 16 on the ladder"
    assert claim.shown


def test_a_score_that_nobody_reached_is_not_reached_sooner(tuned: Path):
    ended(tuned, arms.name_of("tb", CENTRE), 0.0, 0.1)
    ended(tuned, arms.name_of("on-policy", FRESH), 0.0, 0.1)
    (claim,) = frontier_sparse.section(tuned).claims
    assert claim.measured == "never against never"
    assert not claim.shown


@pytest.mark.parametrize("asked", [{"lags": (2,)}, {"reuses": (3,)}, {"searchers": (1, 8)}])
def test_a_cell_that_the_table_has_not_is_refused(asked: dict):
    with pytest.raises(SteelyardError, match="which is no cell"):
        frontier.Study(**asked)


def test_a_run_that_has_not_ended_is_none(tuned: Path):
    name = arms.name_of("tb", Cell(lag=LAGS[-1]))
    fabricate(tuned / label(name, 0), [{"step": 0, ACCURACY: 0.1}], ended=False)
    assert not read(tuned)


def test_the_rare_answer_is_one_in_ten_thousand():
    task = WORLDS["sparse"].task
    assert task.shares[0] ** task.length == pytest.approx(1e-4)
