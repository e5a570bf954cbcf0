"""How cost grows with what is stored: adding, drawing, checkpoint, page and resume at 10^4 to 10^7 trajectories.

A made-up run of trajectories of 64 tokens, ten of a prompt, as `bench watch` makes it. Each size is a process of its
own with one thread, which measures in one buffer:

    add           one trajectory of the last 64 calls of 256, everything on disk when a call returns
    draw          32 prompts x 8 trajectories, of a buffer that was closed and opened again
    checkpoint    the replay's part of one: its state, and the space of what was removed before it given back
    resume        the file opened, the index rebuilt, and the buffer taken back to that state
    page          a page of 50 trajectories at any place and in any order of the live page, and the view of the buffer

A cost that does not depend on what is stored is a level line in the plot; one that grows with it rises by a decade for
each decade. Files were just written, so they are in the page cache.
"""

import contextlib
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from msgspec import Meta

from steelyard.core import PositiveInt, checked
from steelyard.experiments.bench.measuring import resident_mib, seconds
from steelyard.experiments.bench.record import Row
from steelyard.experiments.bench.watch_work import fill, made_up, served
from steelyard.experiments.harness.figure import save_figure
from steelyard.experiments.harness.processes import ask_module, serve
from steelyard.experiments.harness.spread import spread
from steelyard.replay.browse import ORDERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "What grows with the buffer"
TOKENS = 64
PROMPTS = 32
GENERATIONS = 8
TIMES = 50
"""Draws, and questions of each kind."""
LAST = 64
"""Calls of `add` that are timed."""
DEADLINE_S = 7200.0
COSTS = {
    "add": "add one",
    "draw": "draw 256",
    "checkpoint": "checkpoint",
    "resume": "resume",
    "page": "50 of the page",
    "view": "view of the buffer",
}
_COLORS = {
    "add": "#0072B2",
    "draw": "#009E73",
    "checkpoint": "#D55E00",
    "resume": "#5b6570",
    "page": "#CC79A7",
    "view": "#E69F00",
}


@checked()
@dataclass(frozen=True)
class Growth:
    """Seconds of what a run and its page do, by trajectories stored."""

    runs: PositiveInt = 3
    """Buffers of each size."""
    sizes: tuple[Annotated[int, Meta(ge=PROMPTS * GENERATIONS)], ...] = (10_000, 100_000, 1_000_000)
    """Trajectories stored; 10^7 take 6 GB of disk, 6 GB of memory and half an hour a run."""


def measure(settings: Growth, workdir: Path, say: Callable[[str], None]) -> list[Row]:
    """A row for each size, with every run's seconds."""
    rows: list[Row] = []
    for size in settings.sizes:
        runs: list[dict[str, float]] = []
        for number in range(settings.runs):
            place = workdir / f"{size}-{number}"
            runs.append(ask_module(__name__, {"size": size, "directory": str(place)}, deadline=DEADLINE_S))
            said = ", ".join(f"{name} {_span(runs[-1][key])}" for key, name in COSTS.items())
            say(f"{size:,}: {said}")
        rows.append({"size": size, **{key: [run[key] for run in runs] for key in runs[0]}})
    return rows


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """A line for each size; of a cost, how it grows from the first to the last size, as a power of the size."""
    columns = ["trajectories", *COSTS.values(), "MiB resident", "bytes each"]
    lines = [
        [
            f"{row['size']:,}",
            *(spread(row[key], _span) for key in COSTS),
            *(spread(row[key]) for key in ("resident_mib", "bytes")),
        ]
        for row in rows
    ]
    if len(rows) > 1:
        lines.append(["grows as size to the power", *(f"{_power(rows, key):.2f}" for key in COSTS), "", ""])
    return columns, lines


def draw(rows: Sequence[Row], path: Path) -> None:
    """The plot: seconds by trajectories stored, both axes logarithmic."""
    sizes = [row["size"] for row in rows]

    def lines(figure: "Figure") -> None:
        ax = figure.subplots()
        for key, name in COSTS.items():
            medians = [statistics.median(row[key]) for row in rows]
            ax.plot(sizes, medians, marker="o", markersize=4, color=_COLORS[key], label=name)
        ax.set(xscale="log", yscale="log", xlabel="trajectories stored", ylabel="time")
        low, high = (math.floor(math.log10(end)) for end in ax.get_ylim())
        times = [10.0**power for power in range(low + 1, high + 1)]
        ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
        ax.set_yticks(times, [*map(_span, times)])
        ax.minorticks_off()
        ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))

    save_figure(path, lines, (6.4, 3.6))


def _power(rows: Sequence[Row], key: str) -> float:
    first, last = (statistics.median(row[key]) for row in (rows[0], rows[-1]))
    return math.log(last / first) / math.log(rows[-1]["size"] / rows[0]["size"])


def _span(value: float) -> str:
    """Seconds, in the unit that reads best."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.3g} us"


# One buffer, in a process of its own


def cell(size: int, directory: str) -> dict[str, float]:
    """Fill, come back, draw, and ask the page."""
    run = made_up(Path(directory))
    calls = fill(run, size, TOKENS)
    return {"add": statistics.median(calls[-LAST:]), **_kept(run, size), **_page(run, size)}


def _kept(run: Path, size: int) -> dict[str, float]:
    """What a run does with the buffer."""
    from steelyard.replay import ReplayBuffer

    path = run / "replay.sqlite"
    version = size // 256
    with contextlib.closing(ReplayBuffer.open(path)) as buffer:
        states = [buffer.state()]
        checkpoint = statistics.median(seconds(lambda: buffer.forget(buffer.state())) for _ in range(5))
        draws = [
            seconds(lambda d=d: buffer.sample(PROMPTS, GENERATIONS, version=version, draw=d)) for d in range(TIMES)
        ]
        resident = resident_mib()
    began: list[ReplayBuffer] = []

    def resume() -> None:
        began.append(ReplayBuffer.open(path))
        began[0].restore(states[0], keep_later=True)

    resumed = seconds(resume)
    began[0].close()
    found = {"draw": statistics.median(draws), "checkpoint": checkpoint, "resume": resumed}
    return {**found, "resident_mib": resident, "bytes": path.stat().st_size / size}


def _page(run: Path, size: int) -> dict[str, float]:
    """What a reader of the page waits for; the prompts are read before."""
    rng = np.random.default_rng(0)
    with served(run) as client:
        while client.ask("runs/0/rows", prompt="1")["unread"]:
            pass
        first = seconds(lambda: client.ask("runs/0/buffer"))
        pages = [
            seconds(lambda: client.ask("runs/0/rows", offset=int(rng.integers(size)), order=str(rng.choice(ORDERS))))
            for _ in range(TIMES)
        ]
    return {"page": float(np.percentile(pages, 95)), "view": first}


if __name__ == "__main__":
    serve(cell)
