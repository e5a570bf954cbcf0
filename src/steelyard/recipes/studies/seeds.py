"""The demo, three times: `steelyard train arithmetic` with the local runtime and three seeds, one after another."""

import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steelyard.recipes.named.arithmetic import RECIPE
from steelyard.recipes.sweep import show, sweep
from steelyard.report import draw_runs, read_rows


@dataclass(frozen=True)
class Study:
    """Held-out accuracy before and after, and seconds to 90 %."""

    seeds: int = 3
    """Seeds 0, 1, ..."""
    output_dir: str | None = None
    """Where the runs go; runs that ended there before are not repeated."""


def measure(study: Study) -> dict[str, Any]:
    """Run the seeds alone on the machine, print the table, judge the claim."""
    results = sweep(
        "seeds", {f"seed{s}": replace(RECIPE, seed=s) for s in range(study.seeds)}, jobs=1, directory=study.output_dir
    )
    rows = []
    for label, r in results.items():
        evaluations, _ = read_rows(Path(r["run_dir"]) / "eval.jsonl")
        reached = next((row["step"] for row in evaluations if row["eval/accuracy"] >= 0.9), None)
        timing, _ = read_rows(Path(r["run_dir"]) / "timing.jsonl")
        seconds = next((f"{row['seconds']:.1f}" for row in timing if row["step"] == reached), "never")
        rows.append(
            [
                label,
                f"{r['accuracy_before']:.3f}",
                f"{r['accuracy_after']:.3f}",
                f"{reached}",
                seconds,
                f"{r['seconds']:.1f}",
                f"{r['staleness_mean']:.1f} / {r['staleness_max']}",
                f"{r['learner_idle']:.2f} / {r['searcher_idle']:.2f}",
            ]
        )
    show(
        "steelyard train arithmetic",
        [
            "",
            "before",
            "after",
            "90 % at step",
            "after s",
            "seconds",
            "staleness mean / max",
            "idle learner / searcher",
        ],
        rows,
    )
    directories = [Path(r["run_dir"]) for r in results.values()]
    print(f"picture: {draw_runs(directories, directories[0].parent / 'seeds.png')}")
    shown = all(
        r["accuracy_before"] <= 0.25 and r["accuracy_after"] >= 0.9 and r["seconds"] <= 60 for r in results.values()
    )
    print(
        f"from at most 25 % to at least 90 % within 60 s in every seed: {'shown' if shown else 'not shown'}; "
        f"median {statistics.median(r['seconds'] for r in results.values()):.1f} s"
    )
    return {"results": results, "shown": shown}
