"""Run directories that no run has written: what a study's section reads, and no more."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

MACHINE = "a processor, 2 cores"


def fabricate(
    directory: Path,
    evals: Sequence[Mapping[str, Any]],
    *,
    seed: int = 0,
    ended: bool = True,
    config: Mapping[str, Any] | None = None,
    **result: Any,
) -> Path:
    """A run directory with these rows of eval.jsonl, and what `result.json` says beside the usual."""
    directory.mkdir(parents=True)
    said = {"recipe": "custom", "seed": seed, "commit": "0123456789", "machine": MACHINE, "run": {}, **(config or {})}
    (directory / "config.json").write_text(json.dumps(said))
    (directory / "eval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in evals))
    if ended:
        usual = {"run_dir": str(directory), "seconds": 30.0, "trajectories": 500, "staleness_mean": 2.5}
        (directory / "result.json").write_text(json.dumps(usual | result))
    return directory


def curve(*values: float, every: int = 10, key: str = "eval/accuracy") -> list[dict[str, Any]]:
    """Rows of eval.jsonl in which one number has these values, and the others are there."""
    other = {"eval/accuracy": 0.5, "eval/total_variation": 0.5, "eval/distinct_correct": 3.0}
    return [{"step": every * i, **other, key: value} for i, value in enumerate(values)]


def study(
    root: Path, arms: Iterable[str], *values: float, seeds: Sequence[int] = (0, 1, 2), key: str = "eval/accuracy"
) -> Path:
    """A study's directory: every arm with every seed, each ending a little above the last."""
    for place, arm in enumerate(arms):
        for turn, seed in enumerate(seeds):
            rows = curve(*(value + 0.01 * place + 0.001 * turn for value in values), key=key)
            fabricate(root / f"{re.sub(r'[^A-Za-z0-9.]+', '-', arm)}-seed{seed}", rows, seed=seed)
    return root
