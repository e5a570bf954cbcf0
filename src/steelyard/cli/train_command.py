"""`steelyard train RECIPE`: post-train a model, with a live view of how it goes."""

import sys
from collections.abc import Sequence
from typing import Any

from steelyard.cli.flags import first, parse
from steelyard.cli.progress import Progress
from steelyard.recipes import load, names, train
from steelyard.report import curve_text
from steelyard.runtime import Run


def run(arguments: Sequence[str]) -> dict[str, Any]:
    """Train, print the curve, say where the files are."""
    name, flags = first(arguments, command="train", what="RECIPE", known=names())
    settings = parse(Run, flags, command=f"train {name}", default=load(name))
    print(
        f"steelyard train {name}: {type(settings.task).__name__} with {type(settings.objective).__name__}, runtime "
        f"{settings.runtime}, {settings.max_steps} steps of {settings.num_prompts} x {settings.num_generations}",
        file=sys.stderr,
    )
    with Progress(settings.max_steps) as progress:
        result = train(settings, name=name, watch=progress.watch, command=["steelyard", "train", *arguments])
    print(curve_text(result.run_dir), file=sys.stderr)
    print(headline(result.summary), file=sys.stderr)
    print(
        f"page: {result.run_dir / 'report.html'}   model: {result.run_dir / 'model'}   records: {result.run_dir}",
        file=sys.stderr,
    )
    return dict(result.summary)


def headline(summary: Any) -> str:
    """The run in one line."""
    parts = []
    if "total_variation" in summary:
        parts.append(
            f"total variation to pi* {summary['total_variation_before']:.3f} -> {summary['total_variation']:.3f}"
        )
    elif summary.get("accuracy_after") is not None:
        parts.append(f"held-out accuracy {summary['accuracy_before']:.1%} -> {summary['accuracy_after']:.1%}")
    parts.append(f"{summary['seconds']:.0f} s, {summary['steps']} steps, {summary['trajectories']} trajectories")
    if summary["staleness_mean"] is not None:
        parts.append(f"staleness mean {summary['staleness_mean']:.1f}, max {summary['staleness_max']}")
    parts.append(f"idle: learner {summary['learner_idle']:.0%}, searchers {summary['searcher_idle']:.0%}")
    return "; ".join(parts)
