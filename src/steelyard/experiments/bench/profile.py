"""Where the time goes: kinds of work in a rollout and in a learner step, before and after, and parts of a whole run.

One thread, one process for each model. A rollout is 64 rows of 16 + 32 tokens; a learner step is as in the part
`learner`. `before` is the same work on the transformers model: our decode loop over it, and a padded step. The kinds
are torch's operations by name, from its profiler; `Python` is what lies between them. The profiler slows small
operations down, so it gives shares only; milliseconds are those shares of a run without it (median).

The parts of a run are those of `arithmetic`, inline with one step for each batch, 20 steps, by stop-watches around
them: what is drawn, what a searcher does besides, the learner's step, the buffer, and the rest (records, digests).
"""

import itertools
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ParamSpec, TypeVar

from steelyard.core import PositiveInt, checked
from steelyard.experiments.bench.learner import GROUPS, our_step, plain_step, ragged_groups
from steelyard.experiments.bench.measuring import interleaved, seconds
from steelyard.experiments.bench.models import check_sizes, make
from steelyard.experiments.bench.record import Row
from steelyard.experiments.harness.processes import ask_module, serve
from steelyard.experiments.harness.spread import short, spread
from steelyard.recipes.arithmetic import RECIPE
from steelyard.runtime import HeldOut, VirtualClock

P = ParamSpec("P")
T = TypeVar("T")

TITLE = "Where the time goes, ms on one thread"
KINDS = {
    "matrix products": ("mm", "addmm", "linear", "matmul"),
    "log-softmax, sampling": ("_log_softmax", "cumsum", "searchsorted", "gather", "exp", "sort", "isfinite"),
    "attention": ("attention", "bmm", "baddbmm", "_softmax"),
    "copies": ("cat", "copy_", "index", "index_select", "index_put_", "clone", "scatter", "masked", "stack"),
    "optimiser": ("adamw", "_foreach"),
}
"""Kind -> what its operations are called; a longer name may also be part of theirs. The first kind that fits counts."""
STEPS = 20
Spent = defaultdict[str, float]


@checked()
@dataclass(frozen=True)
class Profile:
    """Kinds of work in a rollout and a learner step, and the parts of a run."""

    runs: PositiveInt = 5
    """Runs without the profiler, of each."""
    sizes: tuple[str, ...] = ("0.2M", "2M")
    """Models."""

    def __post_init__(self) -> None:
        check_sizes(self.sizes, tuple(GROUPS))


def measure(settings: Profile, workdir: Path, say: Callable[[str], None]) -> list[Row]:
    """A row for each work of each model, and one for the run."""
    rows = []
    for size in settings.sizes:
        asked = {"directory": str(make(size, workdir / size)), "num_groups": GROUPS[size], "runs": settings.runs}
        rows += [{"size": size, **row} for row in ask_module(__name__, asked)]
        say(f"{size}: done")
    parts = [ask_module(__name__, {"output": tempfile.mkdtemp(dir=workdir)}) for _ in range(settings.runs)]
    return [*rows, {"size": "arithmetic", "work": "run", "parts": parts}]


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """A line for each kind of work and each part."""
    lines = []
    works = dict.fromkeys((row["size"], row["work"]) for row in rows)
    for size, work in works:
        found = {row.get("side"): row for row in rows if (row["size"], row["work"]) == (size, work)}
        lines += _parts(found[None]) if work == "run" else _kinds(f"{work}, {size}", found["before"], found["after"])
    return ["", "", "before", "after"], lines


def _kinds(what: str, before: Row, after: Row) -> list[list[str]]:
    lines = [[what, "all", spread(before["ms"]), spread(after["ms"])]]
    for kind in (*KINDS, "other operations", "Python"):
        cells = [_share(side, side["shares"].get(kind, 0.0)) for side in (before, after)]
        lines.append(["", kind, *cells])
    return lines


def _share(side: Row, share: float) -> str:
    return f"{short(share * statistics.median(side['ms']))} ({share:.0%})"


def _parts(row: Row) -> list[list[str]]:
    names = row["parts"][0]
    what = f"{STEPS} steps, arithmetic"
    figures = {name: spread([1e3 * run[name] for run in row["parts"]]) for name in names}
    return [[what if i == 0 else "", name, "", figure] for i, (name, figure) in enumerate(figures.items())]


# One model, or one run, in a process of its own


def cell(
    directory: str = "", num_groups: int = 0, runs: int = 1, output: str | None = None
) -> list[Row] | dict[str, float]:
    """Both works, before and after; or with `output`, the parts of a run that is recorded there."""
    from steelyard.experiments.bench import generation

    if output is not None:
        return parts_of_run(Path(output))
    place = Path(directory)
    groups = ragged_groups(num_groups)
    work = generation.Work.draw(64, length=16, shared=1, new=32, rows=64)
    pairs: dict[str, dict[str, Callable[[], object]]] = {
        "rollout": {"before": generation.ours_on_transformers(place, work), "after": generation.native(place, work)},
        "learner step": {"before": plain_step(directory, groups)[0], "after": our_step(directory, groups)[0]},
    }
    rows = []
    for name, sides in pairs.items():
        taken = interleaved({side: lambda act=act: 1e3 * seconds(act) for side, act in sides.items()}, runs)
        rows += [{"work": name, "side": side, "ms": taken[side], "shares": shares(act)} for side, act in sides.items()]
    return rows


def shares(act: Callable[[], object]) -> dict[str, float]:
    """Kind of work -> its share of the time."""
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as watched:
        whole = seconds(act)
    found: defaultdict[str, float] = defaultdict(float)
    for row in watched.key_averages():
        found[kind_of(row.key)] += row.self_cpu_time_total / 1e6
    found["Python"] = max(0.0, whole - sum(found.values()))
    return {kind: taken / sum(found.values()) for kind, taken in found.items()}


def kind_of(operation: str) -> str:
    """The kind of an operation of torch."""
    name = operation.rpartition("::")[2]
    for kind, names in KINDS.items():
        if any(name == known or (len(known) > 5 and known in name) for known in names):
            return kind
    return "other operations"


def parts_of_run(output: Path) -> dict[str, float]:
    """Seconds of each part of a short inline run of `arithmetic`."""
    from steelyard.runtime import Inline, Records, describe

    run = replace(
        RECIPE,
        runtime="inline",
        inline=VirtualClock(learn_cost=0.0),
        max_steps=STEPS,
        save_steps=0,
        output_dir=str(output / "run"),
        evaluation=HeldOut(every=10**9, prompts=1, sampled_prompts=1, samples=1),
    )
    spent: Spent = defaultdict(float)
    with Records(output / "run", None, describe(run, "profile")) as records:
        inline = Inline(run, records)
        inline.begin()
        engine = inline.searcher.engine
        searcher = inline.searcher
        learner = inline.learner
        buffer = inline.replay
        engine.generate = _watched_items(engine.generate, spent, "draw completions")
        searcher.search = _watched_items(searcher.search, spent, "searcher")
        learner.step = _watched(learner.step, spent, "learner's step")
        buffer.add = _watched(buffer.add, spent, "buffer: add")
        buffer.sample = _watched(buffer.sample, spent, "buffer: draw")
        began = time.perf_counter()
        while inline.steps_left:
            inline.advance()
        whole = time.perf_counter() - began
        inline.close()
    # The searcher's time has the engine's in it.
    parts = dict(spent) | {"searcher besides": spent["searcher"] - spent["draw completions"]}
    del parts["searcher"]
    return {"all": whole, **parts, "the rest": whole - sum(parts.values())}


def _watched(work: Callable[P, T], spent: Spent, name: str) -> Callable[P, T]:
    def act(*given: P.args, **named: P.kwargs) -> T:
        began = time.perf_counter()
        try:
            return work(*given, **named)
        finally:
            spent[name] += time.perf_counter() - began

    return act


def _watched_items(work: Callable[P, Iterator[T]], spent: Spent, name: str) -> Callable[P, Iterator[T]]:
    """A generator whose own time counts, and not that of who takes its items."""

    def act(*given: P.args, **named: P.kwargs) -> Iterator[T]:
        items = work(*given, **named)
        step = _watched(lambda: [*itertools.islice(items, 1)], spent, name)
        while found := step():
            yield from found

    return act


if __name__ == "__main__":
    serve(cell)
