"""Speed does not slip away unseen: ratios within one process, with wide margins, and never seconds.

A busy machine only ever adds seconds. So the best of several turns of each side are compared, and where the ratio is
too small the turns are repeated, a few times at most, and the best of all turns count.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from steelyard.experiments.bench.models import make
from steelyard.experiments.harness.processes import ask_module

ROUNDS = 4


def best_of(measure: Callable[[], dict[str, list[float]]], slow: str, fast: str, least: float) -> dict[str, float]:
    """The fewest seconds of each side, over as many rounds as the ratio needs to reach `least`."""
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        for side, seconds in measure().items():
            best[side] = min([*seconds, best.get(side, float("inf"))])
        if best[slow] / best[fast] > least:
            break
    return best


@pytest.mark.long
def test_native_rollouts_stay_ahead_of_generate(tmp_path: Path) -> None:
    asked = {"shape": "unique", "size": "2M", "batch": 64, "new": 16, "runs": 4, "engines": ["native", "dynamic"]}
    asked |= {"directory": str(make("2M", tmp_path / "2M"))}

    def measure() -> dict[str, list[float]]:
        rows = ask_module("steelyard.experiments.bench.rollout", asked)
        return {row["engine"]: row["seconds"] for row in rows}

    best = best_of(measure, slow="dynamic", fast="native", least=1.15)
    assert best["dynamic"] / best["native"] > 1.15, best


@pytest.mark.long
def test_the_learner_stays_ahead_of_a_padded_step(tmp_path: Path) -> None:
    asked = {"directory": str(make("2M", tmp_path / "2M")), "num_groups": 6, "runs": 3}
    differences = []

    def measure() -> dict[str, list[float]]:
        found = ask_module("steelyard.experiments.bench.learner", asked)
        differences.append(found["difference"])
        return found["seconds"]

    best = best_of(measure, slow="plain", fast="ours", least=1.2)
    assert best["plain"] / best["ours"] > 1.2, best
    assert max(differences) < 1e-4
