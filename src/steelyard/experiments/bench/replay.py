"""Replay: trajectories stored and drawn per second, and bytes of each, against torchrl's prioritised buffer.

Random trajectories of 64 steps (20 of them prompt), 100 of a prompt, added 64 at a time; draws of 256. Ours draws by
prompt, 32 prompts x 8 trajectories, and every trajectory is on disk when `add` returns; once as its defaults say, once
by advantage and age, without a coin for recency, which is the dearest of its draws. torchrl draws 256 single ones
by `PrioritizedSampler`, the reward their priority: from `LazyTensorStorage` (memory) and `LazyMemmapStorage` (files,
written when the system likes), which hold rows of one length only, and from `ListStorage`, its default, which holds
trajectories of any length, as ours does. Each run of each is a process of its own with one thread that fills its buffer
and, ours having been closed and opened again, draws; the runs come in turn. Making the trajectories up is not counted.
Files lie in the output directory; they were just written, so they are in the page cache.
"""

import contextlib
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta

from steelyard.core import PositiveInt, Sampling, Trajectory, checked
from steelyard.core.json import JsonMapping
from steelyard.experiments.bench.measuring import ratios, resident_mib, seconds
from steelyard.experiments.bench.record import Row
from steelyard.experiments.harness.processes import ask_module, serve
from steelyard.experiments.harness.spread import spread

TITLE = "Replay: add 64 at a time, draw 256"
STEPS = 64
PROMPT = 20
OF_PROMPT = 100
CALL = 64
PROMPTS = 32
GENERATIONS = 8
DRAWS = 200
STORES = {
    "ours": "ours, on disk, by prompt",
    "aged": "the same, by advantage and age",
    "tensor": "torchrl, LazyTensorStorage",
    "memmap": "torchrl, LazyMemmapStorage",
    "list": "torchrl, ListStorage",
}
OURS: Mapping[str, JsonMapping] = {
    "ours": {},
    "aged": {"recent_probability": 0.0, "priority": "abs-advantage", "reward_temperature": 0.6, "age_decay": 0.01},
}
"""Our own stores -> what of their settings is not the default."""


@checked()
@dataclass(frozen=True)
class Replay:
    """Adds and draws per second, and bytes of a trajectory."""

    runs: PositiveInt = 5
    """Runs of each store at each size."""
    sizes: tuple[Annotated[int, Meta(ge=PROMPTS * GENERATIONS)], ...] = (1_000, 100_000)
    """Trajectories stored."""


def measure(settings: Replay, workdir: Path, say: Callable[[str], None]) -> list[Row]:
    """A row for each store at each size."""
    stores = [store for store in STORES if store in OURS or _has_torchrl()]
    if len(stores) < len(STORES):
        say('no torchrl: its figures are left out (pip install "steelyard[bench]")')
    rows = []
    for size in settings.sizes:
        found: dict[str, list[dict[str, float]]] = {store: [] for store in stores}
        for _ in range(settings.runs):
            for store in stores:
                with tempfile.TemporaryDirectory(dir=workdir) as place:
                    asked = {"store": store, "size": size, "directory": place}
                    found[store].append(ask_module(__name__, asked))
        for store, runs in found.items():
            row = {name: [run[name] for run in runs] for name in runs[0]}
            rows.append({"size": size, "store": store, **row})
            say(f"{size} {STORES[store]}: {spread(row['adds_per_s'])} adds/s, {spread(row['draws_per_s'])} draws/s")
    return rows


def _has_torchrl() -> bool:
    return importlib.util.find_spec("torchrl") is not None


_COLUMNS = {
    "adds_per_s": "adds/s",
    "draws_per_s": "draws/s",
    "draw_ms": "ms a draw",
    "draw_ms_p99": "p99",
    "bytes": "bytes each",
    "open_s": "s to open",
    "resident_mib": "MiB resident",
}


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """A line for each store at each size, with how many times its draws ours makes."""
    columns = ["trajectories", "", *_COLUMNS.values()]
    columns.insert(4, "ours / it")
    own = {row["size"]: row["draws_per_s"] for row in rows if row["store"] == "ours"}
    lines = []
    for row in rows:
        line = [f"{row['size']:,}", STORES[row["store"]], *(spread(row[key]) for key in _COLUMNS)]
        line.insert(4, "" if row["store"] == "ours" else spread(ratios(own[row["size"]], row["draws_per_s"])))
        lines.append(line)
    return columns, lines


# One run, in a process of its own


def cell(store: str, size: int, directory: str) -> dict[str, float]:
    """Fill, then draw."""
    return ours(store, size, Path(directory)) if store in OURS else torchrl(store, size, Path(directory))


def ours(store: str, size: int, directory: Path) -> dict[str, float]:
    """The buffer, filled, closed, opened again and drawn from."""
    from steelyard.replay import PrioritizedReplay, ReplayBuffer

    path = directory / "replay.sqlite"
    taken = 0.0
    buffer = PrioritizedReplay(**OURS[store]).open(seed=0, path=path)
    for numbers in _calls(size):
        arrivals = [trajectory(i) for i in numbers]
        version = _version_of(numbers[0])
        taken += seconds(lambda a=arrivals, v=version: buffer.add(a, version=v))
    buffer.close()
    os.sync()  # so that the draws do not wait for a disk that is still writing
    opened: list[ReplayBuffer] = []
    open_s = seconds(lambda: opened.append(ReplayBuffer.open(path)))
    with contextlib.closing(opened[0]) as buffer:
        found = _draw(lambda d: buffer.sample(PROMPTS, GENERATIONS, version=_version_of(size), draw=d))
    return {"adds_per_s": size / taken, "bytes": path.stat().st_size / size, "open_s": open_s, **found}


def torchrl(store: str, size: int, directory: Path) -> dict[str, float]:
    """torchrl's buffer."""
    from steelyard.experiments.bench.peers.torchrl_buffer import open_buffer, stacked

    buffer = open_buffer(store, size, PROMPTS * GENERATIONS, directory)
    taken = 0.0
    for numbers in _calls(size):
        arrivals = stacked([trajectory(i) for i in numbers])
        taken += seconds(lambda a=arrivals: buffer.extend(a))
    found = _draw(lambda _: buffer.sample())
    bytes_each = stacked([trajectory(0)]).bytes()
    return {"adds_per_s": size / taken, "bytes": bytes_each, "open_s": 0.0, **found}


def _draw(draw: Callable[[int], object]) -> dict[str, float]:
    for d in range(DRAWS // 10):
        draw(DRAWS + d)  # to warm up
    times_ms = [1e3 * seconds(lambda d=d: draw(d)) for d in range(DRAWS)]
    median, p99 = np.percentile(times_ms, [50, 99])
    rates = {"draw_ms": float(median), "draw_ms_p99": float(p99), "draws_per_s": 1e3 * DRAWS / sum(times_ms)}
    return {**rates, "resident_mib": resident_mib()}


def _calls(size: int) -> Iterator[range]:
    return (range(first, min(first + CALL, size)) for first in range(0, size, CALL))


def _version_of(number: int) -> int:
    """The learner makes a version for each 256 trajectories."""
    return number // 256


def trajectory(number: int) -> Trajectory:
    """The n-th random trajectory: 20 prompt tokens, 44 sampled ones, both log-probabilities."""
    rng = np.random.default_rng(number)
    return Trajectory(
        f"prompt-{number // OF_PROMPT}",
        rng.integers(0, 50_000, STEPS, dtype=np.int32),
        np.arange(STEPS) >= PROMPT,
        rng.standard_normal(STEPS, dtype=np.float32),
        _version_of(number),
        "0123456789abcdef",
        Sampling(),
        "stop",
        sample=number % OF_PROMPT,
        logp_ref_T=rng.standard_normal(STEPS, dtype=np.float32),
        reward=float(rng.random()),
    )


if __name__ == "__main__":
    serve(cell)
