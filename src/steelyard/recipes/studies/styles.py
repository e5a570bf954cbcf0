"""Diversity: which ways of working out survive trajectory balance, and Dr. GRPO run four times past its 90 %."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steelyard.objective import DrGRPO
from steelyard.recipes.named.arithmetic import RECIPE
from steelyard.recipes.sweep import show, sweep
from steelyard.replay import SingleUse
from steelyard.report import read_rows
from steelyard.runtime import HeldOut, VirtualClock
from steelyard.task.arithmetic import STYLES

EVERY = 10


@dataclass(frozen=True)
class Study:
    """Style shares of the correct answers at temperature 1."""

    seeds: int = 3
    """Seeds 0, 1, ..."""
    output_dir: str | None = None
    """Where the runs go; runs that ended there before are not repeated."""
    steps: int = 200
    """Learner steps of each run; Dr. GRPO passes 90 % within a quarter of it, which the table says."""
    jobs: int = 0
    """Runs at a time; 0 for one per core."""


def measure(study: Study) -> dict[str, Any]:
    """Run both methods, print the styles, judge the claim."""
    base = replace(
        RECIPE,
        runtime="inline",
        max_steps=study.steps,
        inline=VirtualClock(),
        evaluation=HeldOut(every=EVERY, prompts=256, sampled_prompts=128),
    )
    methods = {
        "vargrad-tb": base,
        "dr-grpo": replace(base, objective=DrGRPO(max_length=20), replay=SingleUse(capacity=64)),
    }
    runs = {f"{m}-seed{s}": replace(run, seed=s) for s in range(study.seeds) for m, run in methods.items()}
    results = sweep("styles", runs, jobs=study.jobs, directory=study.output_dir)
    rows, kept = [], []
    for label, result in results.items():
        evaluations, _ = read_rows(Path(result["run_dir"]) / "eval.jsonl")
        shares = evaluations[-1]["eval/correct_styles"]
        reached = next((row["step"] for row in evaluations if row["eval/accuracy"] >= 0.9), None)
        rows.append(
            [label, str(reached), f"{result['accuracy_after']:.3f}", *(f"{shares.get(s, 0):.2f}" for s in STYLES)]
        )
        if label.startswith("vargrad-tb"):
            kept.append(sum(share > 0.05 for share in shares.values()))
    show(
        f"after {study.steps} steps: styles of the correct answers", ["run", "step of 90 %", "accuracy", *STYLES], rows
    )
    shown = min(kept) >= 3
    print(f"trajectory balance keeps at least 3 styles above 5 % in every seed: {'shown' if shown else 'not shown'}")
    return {"rows": rows, "styles_kept": kept, "shown": shown}
