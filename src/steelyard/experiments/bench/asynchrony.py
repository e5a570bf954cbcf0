"""What asynchrony gives: `arithmetic` to 80 %, local against one synchronous loop, as generation grows dearer.

The runs go as in the part `score`: each alone on the machine, the clock from the first generation, accuracy measured on
kept weights after the run. `sync` is one process that generates a batch, then learns a step (`--runtime inline
--inline.learn-cost 0`), with one compute thread and with two; `local` has searchers, learner and supervisor in
processes of their own, one thread each.

A batch (32 prompts x 8) is timed first, in one process with one thread. Generation then costs 1, 4 or 16 times that:
after each batch a searcher sleeps for the rest (`--search-delay`), as if it ran elsewhere and took so long. The gain of
`local` is taken within a cost and a seed. A local run makes more steps than a synchronous one of that cost: its learner
goes on with what is stored. Idle is the share of the time in which the learner (a searcher) waited; one that sleeps
counts as busy.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from steelyard.core import PositiveInt, checked
from steelyard.core.json import JsonObject
from steelyard.experiments.bench.contest import crossing, curve_of, trained
from steelyard.experiments.bench.measuring import interleaved, seconds
from steelyard.experiments.bench.record import Row
from steelyard.experiments.bench.score import FIRST_SEED, LEVEL, PROMPTS
from steelyard.experiments.harness.processes import ask_module, serve
from steelyard.experiments.harness.spread import spread
from steelyard.recipes.arithmetic import RECIPE
from steelyard.runtime import Run, VirtualClock

TITLE = "Asynchrony: seconds to 80 % where generation costs more"


@checked()
@dataclass(frozen=True)
class Asynchrony:
    """Seconds to 80 %, local against a synchronous loop, at several costs of generation."""

    runs: PositiveInt = 5
    """Of each system at each cost, with seeds 100, 101, ..."""
    costs: Annotated[tuple[PositiveInt, ...], Meta(min_length=1, description="numbers from 1 up")] = (1, 4, 16)
    """What generation costs, in batches of this machine."""
    searchers: Annotated[tuple[PositiveInt, ...], Meta(min_length=1, description="numbers from 1 up")] = (1, 4)
    """Searchers of the local runs."""
    steps: PositiveInt = 60
    """Steps of each synchronous run."""
    longer: PositiveInt = 3
    """A local run whose generation costs more makes at most so many times these steps."""
    snapshots: PositiveInt = 20
    """Measurements of the weights in a run."""


@dataclass(frozen=True)
class System:
    """How a run is made."""

    name: str
    settings: dict[str, object]
    steps: int
    cost: int


def measure(settings: Asynchrony, workdir: Path, say: Callable[[str], None]) -> list[Row]:
    """A row for each run, with its curve."""
    batch_s = statistics.median(ask_module(__name__, {"runs": 5}))
    say(f"a batch takes {1e3 * batch_s:.0f} ms")
    rows = []
    for seed, system in product(range(FIRST_SEED, FIRST_SEED + settings.runs), _systems(settings)):
        place = workdir / f"{system.name.replace(' ', '-').replace(',', '')}-{system.cost}x-{seed}"
        every = max(1, system.steps // settings.snapshots)
        delay = (system.cost - 1) * batch_s
        row = {"system": system.name, "cost": system.cost, "seed": seed, "search_delay": delay}
        rows.append(row | _run(_settings_of(system, seed, delay), every, place))
        say(f"{place.name}: {_write(rows[-1]['seconds_to_80'])} s, {rows[-1]['steps_per_s']:.2f} steps/s")
    return rows


def _systems(settings: Asynchrony) -> Iterator[System]:
    for cost in settings.costs:
        for threads in (1, 2):  # the second helps with what is computed here; a sleep takes as long
            clock = VirtualClock(learn_cost=0.0, threads=threads)
            name = "sync" if threads == 1 else f"sync, {threads} threads"
            yield System(name, {"runtime": "inline", "inline": clock}, settings.steps, cost)
        for number in settings.searchers:
            steps = settings.steps * min(cost, settings.longer)
            name = f"local, {number} searcher{'s' * (number > 1)}"
            yield System(name, {"runtime": "local", "num_searchers": number}, steps, cost)


def _settings_of(system: System, seed: int, delay: float) -> Run:
    return replace(RECIPE, seed=seed, max_steps=system.steps, search_delay=delay, **system.settings)


def _run(run: Run, every: int, place: Path) -> JsonObject:
    threads = run.inline.threads if run.runtime == "inline" else 1
    report, files = trained(run, every, place, threads=threads)
    curve = curve_of(run, PROMPTS, report["steps"], files)
    steps, reached = crossing(curve, LEVEL) or (None, None)
    last, taken, _ = report["steps"][-1]
    row = {"seconds_to_80": reached, "steps_to_80": steps, "steps_per_s": last / taken, **report["where"]}
    return row | {"curve": [list(point) for point in curve]}


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """A line for each system at each cost; its gain is over the synchronous loop with one thread."""
    columns = [
        "generation",
        "",
        "s to 80 %",
        "sync / this",
        "steps to 80 %",
        "steps/s",
        "sync x",
        "idle learner",
        "idle searchers",
    ]
    cells: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        cells.setdefault((row["cost"], row["system"]), []).append(row)
    lines = []
    for (cost, system), runs in cells.items():
        sync = cells[cost, "sync"]
        local = system.startswith("local")
        idle = [spread([run[who] for run in runs]) if local else "" for who in ("learner_idle", "searcher_idle")]
        lines.append(
            [
                f"{cost} x",
                system,
                spread([run["seconds_to_80"] for run in runs]),
                _gain(sync, runs, "seconds_to_80"),
                spread([run["steps_to_80"] for run in runs]),
                spread([run["steps_per_s"] for run in runs]),
                _gain(runs, sync, "steps_per_s"),
                *idle,
            ]
        )
    return columns, lines


def _gain(above: Sequence[Row], below: Sequence[Row], key: str) -> str:
    """Seed by seed; a seed that either missed is left out."""
    divisor = {run["seed"]: run[key] for run in below}
    return spread([run[key] / divisor[run["seed"]] for run in above if run[key] and divisor.get(run["seed"])])


def _write(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f}"


def cell(runs: int) -> list[float]:
    """Seconds of a searcher's batch, in this process."""
    from steelyard.core import Weights
    from steelyard.runtime.factories import make_policy, make_searcher, make_task
    from steelyard.runtime.inline.delayed_store import DelayedWeightStore
    from steelyard.runtime.prompt_scheduler import PromptScheduler

    policy = make_policy(RECIPE)
    task = make_task(RECIPE)
    prompts = task.prompts("train")
    store = DelayedWeightStore(Weights.of(policy.weights(), 0))
    searcher = make_searcher(RECIPE, policy, prompts, task.score, store, store)
    scheduler = PromptScheduler(RECIPE, prompts)
    work = {"batch": lambda: seconds(lambda: list(searcher.search(scheduler.next())))}
    return interleaved(work, runs)["batch"]


if __name__ == "__main__":
    serve(cell)
