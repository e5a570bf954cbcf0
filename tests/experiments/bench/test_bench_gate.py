"""Speed does not slip away unseen: ratios within one process, with wide margins, and never seconds.

The best of several turns of each side is compared, so that a busy machine does not decide.
"""

from pathlib import Path

from steelyard.experiments.bench.models import make
from steelyard.experiments.harness.processes import ask_module


def test_native_rollouts_stay_ahead_of_generate(tmp_path: Path):
    asked = {"shape": "unique", "size": "2M", "batch": 64, "new": 16, "runs": 4, "engines": ["native", "dynamic"]}
    rows = ask_module("steelyard.experiments.bench.rollout", {**asked, "directory": str(make("2M", tmp_path / "2M"))})
    best = {row["engine"]: min(row["seconds"]) for row in rows}
    assert best["dynamic"] / best["native"] > 1.15, best


def test_the_learner_stays_ahead_of_a_padded_step(tmp_path: Path):
    asked = {"directory": str(make("2M", tmp_path / "2M")), "num_groups": 6, "runs": 3}
    found = ask_module("steelyard.experiments.bench.learner", asked)
    best = {side: min(taken) for side, taken in found["seconds"].items()}
    assert best["plain"] / best["ours"] > 1.2, best
    assert found["difference"] < 1e-4
