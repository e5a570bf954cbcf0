"""`steelyard train RECIPE`: post-train a model, with a live view of how it goes."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from steelyard.cli.flags import choose, parse
from steelyard.cli.progress import Progress
from steelyard.recipes import load, summaries, train
from steelyard.report import curve_text
from steelyard.runtime import Run

PURPOSE = (
    "Post-train a model. A recipe says which task and method; options say how much. Settings, records, the trained\n"
    "model and a page to read go to runs/RECIPE-TIME, or to --output-dir."
)


def run(words: Sequence[str]) -> dict[str, Any]:
    """Train, print the curve, say where the files are."""
    known = summaries()
    name = choose(words, known, command="train", what="RECIPE", purpose=PURPOSE)
    settings = parse(Run, words[1:], command=f"train {name}", default=load(name), description=known[name])
    title = (
        f"steelyard train {name}: {type(settings.task).__name__} with {type(settings.objective).__name__}, runtime "
        f"{settings.runtime}, {settings.max_steps} steps of {settings.num_prompts} x {settings.num_generations}"
    )
    with Progress(settings.max_steps, title) as progress:
        result = train(settings, name=name, watch=progress.watch, command=["steelyard", "train", *words])
    say(curve_text(result.run_dir))
    say(headline(result.summary))
    say(f"page: {result.run_dir / 'report.html'}   model: {result.run_dir / 'model'}   records: {result.run_dir}")
    return dict(result.summary)


def say(text: str) -> None:
    """Print on standard error: standard output is for --json."""
    print(text, file=sys.stderr)


def headline(summary: Mapping[str, Any]) -> str:
    """The run in one line."""
    parts = []
    if "total_variation" in summary:
        before, after = summary["total_variation_before"], summary["total_variation"]
        parts.append(f"total variation to pi* {before:.3f} -> {after:.3f}")
    elif summary.get("accuracy_after") is not None:
        parts.append(f"held-out accuracy {summary['accuracy_before']:.1%} -> {summary['accuracy_after']:.1%}")
    parts.append(f"{summary['seconds']:.0f} s, {summary['steps']} steps, {summary['trajectories']} trajectories")
    if summary["staleness_mean"] is not None:
        parts.append(f"staleness mean {summary['staleness_mean']:.1f}, max {summary['staleness_max']}")
    parts.append(f"idle: learner {summary['learner_idle']:.0%}, searchers {summary['searcher_idle']:.0%}")
    return "; ".join(parts)
