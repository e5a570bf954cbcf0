"""Time to 80 % greedy held-out accuracy on `arithmetic`: ours, local and inline, against TRL's GRPOTrainer.

The runs of one seed come one after another, each alone on the machine in a process of its own: local, inline, TRL, and
then the next seed. All begin with the same weights, ask the same training prompts, score with the task's own verifier
and take 8 completions of a prompt, with AdamW. Three times:

    recipe       everybody at the recipe's learning rate, 1e-4, and batch, 32 x 8: who makes a step faster
    weighted     the same, ours with importance weights (`arithmetic-weighted-tb`)
    tuned        either side at the settings that were fastest in trials of its own (docs/lab-notes.md)

    seconds      the clock starts with the first generation: imports and loading are not on it, learning is
    to 80 %      weights are kept every few steps and measured after the run, off the clock, by one evaluator for all,
                 on the same 256 held-out prompts; between two of them accuracy is taken to rise in a straight line

What our runs write while they train (every trajectory to disk, checkpoints, records) is on their clock; TRL writes
nothing.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from steelyard.core import PositiveInt, WarmupStableDecay, checked, require, suggest
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.experiments.bench.contest import Contest, Curve, crossing, curve_of, has_trl, own_run, peer_run
from steelyard.experiments.bench.peers.trl_grpo import TrlGrpo
from steelyard.experiments.bench.record import Row
from steelyard.experiments.harness.spread import spread
from steelyard.learner import Adam
from steelyard.objective import VarGradTB
from steelyard.recipes import arithmetic_weighted_tb
from steelyard.recipes.arithmetic import RECIPE
from steelyard.replay import PrioritizedReplay

TITLE = "Time to 80 % held-out accuracy on arithmetic"
LEVEL = 0.8
FIRST_SEED = 100  # settings were tuned on others
SYSTEMS = ("local", "inline", "trl")
PROMPTS = 256

_PEER = TrlGrpo(learning_rate=RECIPE.learning_rate, stable_steps=None)
CONTESTS = {
    "recipe": Contest(RECIPE, _PEER, 80, 4),
    "weighted": Contest(arithmetic_weighted_tb.RECIPE, _PEER, 80, 4),
    "tuned": Contest(
        # A few large steps find the habit; at a sixteenth of them it settles.
        replace(
            RECIPE,
            objective=VarGradTB(beta=0.05),
            replay=PrioritizedReplay(recent_probability=0.5, recent_window=2, warmup=192),
            learning_rate=8e-4,
            optimizer=Adam(schedule=WarmupStableDecay(stable=4, decay=6, floor=0.06)),
            num_prompts=24,
            search_prompts=8,
        ),
        TrlGrpo(),
        24,
        1,
    ),
}


@checked()
@dataclass(frozen=True)
class Score:
    """Seconds and steps to 80 % held-out accuracy, ours against TRL's GRPOTrainer."""

    runs: PositiveInt = 5
    """Of each system, with seeds 100, 101, ...; settings were tuned on others."""
    contests: tuple[str, ...] = tuple(CONTESTS)
    """recipe, weighted, tuned."""
    steps: PositiveInt | None = None
    """Steps of each run, in place of the contest's own."""
    peer_python: str | None = None
    """The interpreter that has TRL and steelyard; None is this one."""

    def __post_init__(self) -> None:
        for name in self.contests:
            require(name in CONTESTS, f"unknown contest {name!r}", where="--contests", hint=suggest(name, CONTESTS))


def measure(settings: Score, workdir: Path, say: Callable[[str], None]) -> list[Row]:
    """Carry out the runs; returns one row for each, with its curve.

    Args:
        settings: how many runs, and where TRL is.
        workdir: where the runs go; must exist.
        say: called with each line of progress, and with the line that says that there is no TRL.

    Raises:
        SteelyardError: a run failed; the message is its last line.
        FaultError: a run did not come to its end.
    """
    systems = [*SYSTEMS]
    if not has_trl(settings.peer_python):
        systems.remove("trl")
        python = settings.peer_python or sys.executable
        say(f'no TRL in {python}: its rows are left out (pip install "steelyard[bench]", or --peer-python PATH)')
    rows = []
    for name in settings.contests:
        contest = CONTESTS[name] if settings.steps is None else replace(CONTESTS[name], steps=settings.steps)
        for seed, system in product(range(FIRST_SEED, FIRST_SEED + settings.runs), systems):
            place = workdir / f"{name}-{system}-{seed}"
            if system == "trl":
                report, files = peer_run(contest, settings.peer_python, seed, place)
            else:
                report, files = own_run(contest, system, seed, place)
            curve = curve_of(contest.own, PROMPTS, report["steps"], files)
            row = {"contest": name, **_row(system, seed, report, curve)}
            say(f"{place.name}: {_seconds(row['seconds_to_80'])} s, {_seconds(row['steps_to_80'])} steps")
            rows.append(row)
    return rows


def _row(system: str, seed: int, report: JsonMapping, curve: Curve) -> JsonObject:
    steps, seconds = crossing(curve, LEVEL) or (None, None)
    last, taken, _ = report["steps"][-1]
    row = {"system": system, "seed": seed, "seconds_to_80": seconds, "steps_to_80": steps}
    row |= {"completions_per_s": report["completions"] / taken, "steps_per_s": last / taken}
    return row | {"accuracy_last": curve[-1][2], "where": report["where"], "curve": [list(point) for point in curve]}


# The table


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Columns, and a line for each system: medians and spread; below, how many times longer TRL and inline take."""
    columns = ["", "s to 80 %", "steps to 80 %", "completions/s", "steps/s", "accuracy at the end"]
    lines = []
    for name in dict.fromkeys(row["contest"] for row in rows):
        of = {system: [row for row in rows if (row["contest"], row["system"]) == (name, system)] for system in SYSTEMS}
        lines += [
            [f"{name}: {system}", *(spread([row[key] for row in own]) for key in _KEYS)]
            for system, own in of.items()
            if own
        ]
        lines += [
            [f"{name}: {other} / local, by seed", _ratio(of["local"], of[other]), "", "", "", ""]
            for other in SYSTEMS[1:]
            if of[other]
        ]
    return columns, lines


_KEYS = ("seconds_to_80", "steps_to_80", "completions_per_s", "steps_per_s", "accuracy_last")


def ratios(own: Sequence[Row], other: Sequence[Row]) -> list[float]:
    """How many times longer `other` took to 80 % than `own`, seed by seed; a seed that either missed is left out."""
    took = {row["seed"]: row["seconds_to_80"] for row in own}
    pairs = [(row["seconds_to_80"], took.get(row["seed"])) for row in other]
    return [theirs / ours for theirs, ours in pairs if theirs and ours]


def _ratio(own: Sequence[Row], other: Sequence[Row]) -> str:
    found = ratios(own, other)
    return spread(found) if found else "none"


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f}"
