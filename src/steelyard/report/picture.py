"""One picture of several runs: held-out accuracy over time, and how the first run's correct answers are written."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.core.json import JsonObject
from steelyard.report.plots import HELD_OUT, SHARES
from steelyard.report.records import read_rows
from steelyard.report.svg import RC

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = list[JsonObject]


def draw_runs(run_dirs: Sequence[Path], path: Path) -> Path:
    """Write the picture as PNG; `run_dirs` are runs of one recipe with different seeds."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    runs = [_evaluations(directory) for directory in run_dirs]
    with matplotlib.rc_context(RC):
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
        for i, rows in enumerate(runs):
            left.plot(
                [r["seconds"] for r in rows],
                [r["eval/accuracy"] for r in rows],
                color=HELD_OUT,
                marker="o",
                markersize=3,
                alpha=max(0.3, 1 - 0.25 * i),
                label=f"seed {i}",
            )
        left.set(xlabel="seconds of training", ylabel="held-out accuracy (greedy)", ylim=(0, 1.03))
        left.legend(loc="lower right")
        _stack(right, runs[0])
        figure.savefig(path, dpi=130)
        plt.close(figure)
    return path


def _evaluations(directory: Path) -> Rows:
    """The evaluations, each with the second at which its step was made."""
    seconds = {row["step"]: row["seconds"] for row in read_rows(directory / "timing.jsonl")[0]}
    return [{**row, "seconds": seconds.get(row["step"], 0.0)} for row in read_rows(directory / "eval.jsonl")[0]]


def _stack(axes: "Axes", rows: Rows) -> None:
    names = sorted({name for row in rows for name in row["eval/styles"]})
    shares = [[row["eval/styles"].get(name, 0.0) for row in rows] for name in names]
    axes.stackplot([row["step"] for row in rows], shares, labels=names, colors=SHARES)
    axes.set(xlabel="learner step", ylabel="share of samples", ylim=(0, 1), title="how answers are written (seed 0)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
