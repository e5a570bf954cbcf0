"""Time to 80 % greedy held-out accuracy on `arithmetic`: ours, local and inline, against TRL's GRPOTrainer.

The runs of one seed come one after another, each alone on the machine in a process of its own: local, inline, TRL, and
then the next seed. All begin with the same weights, ask the same training prompts, score with the task's own verifier
and take 8 completions of a prompt, with AdamW. Twice:

    recipe       everybody at the recipe's learning rate, 1e-4, and batch, 32 x 8: who makes a step faster
    tuned        either side at the settings that were fastest in trials of its own (docs/lab-notes.md)

    seconds      the clock starts with the first generation: imports and loading are not on it, learning is
    to 80 %      weights are kept every few steps and measured after the run, off the clock, by one evaluator for all,
                 on the same 256 held-out prompts; between two of them accuracy is taken to rise in a straight line

What our runs write while they train (every trajectory to disk, checkpoints, records) is on their clock; TRL writes
nothing.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.core import (
    PositiveInt,
    SteelyardError,
    WarmupStableDecay,
    Weights,
    checked,
    decode,
    encode,
    require,
    suggest,
)
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.experiments.bench.peers.trl_grpo import TrlGrpo
from steelyard.experiments.bench.record import Row
from steelyard.experiments.harness.processes import ask, serve
from steelyard.experiments.harness.spread import spread
from steelyard.learner import Adam
from steelyard.objective import VarGradTB
from steelyard.recipes.arithmetic import RECIPE
from steelyard.replay import PrioritizedReplay
from steelyard.runtime import HeldOut, Run

if TYPE_CHECKING:
    from torch import Tensor

TITLE = "Time to 80 % held-out accuracy on arithmetic"
LEVEL = 0.8
FIRST_SEED = 100  # settings were tuned on others
SYSTEMS = ("local", "inline", "trl")
_PROMPTS = 256
_PEER = "steelyard.experiments.bench.peers.trl_grpo"
_DEADLINE = 600.0
# Measured in a run, accuracy would cost the run time: it is measured afterwards.
_UNMEASURED = HeldOut(every=10**9, prompts=1, sampled_prompts=1, samples=1)
Curve = list[tuple[int, float, float]]
"""Step, seconds, accuracy; the first row is the weights that the run began with."""


@dataclass(frozen=True)
class Contest:
    """What both sides run with."""

    own: Run
    peer: TrlGrpo
    steps: int
    """Of each run."""
    snapshot_steps: int
    """Between two measurements of the weights."""


CONTESTS = {
    "recipe": Contest(RECIPE, TrlGrpo(learning_rate=RECIPE.learning_rate, stable_steps=None), 80, 4),
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
    """recipe, tuned."""
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
    systems = [system for system in SYSTEMS if system != "trl" or has_trl(settings.peer_python or sys.executable, say)]
    rows = []
    for name in settings.contests:
        contest = CONTESTS[name] if settings.steps is None else replace(CONTESTS[name], steps=settings.steps)
        for seed, system in product(range(FIRST_SEED, FIRST_SEED + settings.runs), systems):
            place = workdir / f"{name}-{system}-{seed}"
            who = settings.peer_python if system == "trl" else system
            run = (_peer if system == "trl" else _own)(contest, who, seed, place)
            row = {"contest": name, **_row(system, seed, *run)}
            say(f"{place.name}: {_seconds(row['seconds_to_80'])} s, {_seconds(row['steps_to_80'])} steps")
            rows.append(row)
    return rows


def has_trl(python: str, say: Callable[[str], None]) -> bool:
    """True where `python` can run the peer; where not, one line says how to get it."""
    try:
        done = subprocess.run([python, "-c", "import trl, datasets, steelyard"], capture_output=True, check=False)
    except OSError as error:
        raise SteelyardError(
            f"cannot be run ({error.strerror})", where="--peer-python", hint="name an interpreter"
        ) from error
    if done.returncode != 0:
        say(f'no TRL in {python}: its rows are left out (pip install "steelyard[bench]", or --peer-python PATH)')
    return done.returncode == 0


def _own(contest: Contest, runtime: Any, seed: int, place: Path) -> tuple[JsonObject, Curve]:
    """One run of ours."""
    run = replace(
        contest.own,
        runtime=runtime,
        seed=seed,
        max_steps=contest.steps,
        save_steps=contest.snapshot_steps,
        keep_checkpoints=contest.steps,
        evaluation=_UNMEASURED,
        output_dir=str(place),
    )
    report = ask(place.name, [sys.executable, "-m", __name__], {"run": encode(run)}, deadline=_DEADLINE)
    files = {step: place / f"checkpoint-{step}" / "learner.safetensors" for step in _kept(contest)}
    return report, curve_of(report["steps"], files, prefix="policy.")


def _peer(contest: Contest, python: str | None, seed: int, place: Path) -> tuple[JsonObject, Curve]:
    """One run of TRL."""
    place.mkdir()
    limits = {"max_steps": contest.steps, "snapshot_steps": contest.snapshot_steps}
    peer = replace(contest.peer, directory=str(place), seed=seed, **limits)
    command = [python or sys.executable, "-m", _PEER]
    report = ask(place.name, command, asdict(peer), threads=peer.threads, deadline=_DEADLINE)
    report["where"] = {"generating": report["generating"] / report["steps"][-1][1]}
    return report, curve_of(report["steps"], {step: place / f"{step}.safetensors" for step in _kept(contest)})


def _kept(contest: Contest) -> Sequence[int]:
    return range(contest.snapshot_steps, contest.steps + 1, contest.snapshot_steps)


# Accuracy


def curve_of(times: Sequence[Sequence[Any]], files: Mapping[int, Path], *, prefix: str = "") -> Curve:
    """The greedy held-out accuracy of the first weights and of each file of weights, at its step's time.

    Args:
        times: steps and the seconds after which they were made.
        files: step -> safetensors.
        prefix: what stands before a parameter's name in the files.
    """
    seconds = {0: 0.0, **{int(step): float(when) for step, when in times}}
    return [(step, seconds[step], accuracy) for step, accuracy in _accuracies(files, prefix)]


def _accuracies(files: Mapping[int, Path], prefix: str) -> Iterator[tuple[int, float]]:
    import torch
    from safetensors.torch import load_file

    from steelyard.runtime.factories import make_evaluation, make_policy

    torch.set_num_threads(1)
    run = replace(RECIPE, evaluation=replace(_UNMEASURED, prompts=_PROMPTS))
    policy = make_policy(run)
    evaluation = make_evaluation(run, policy, Weights.of(policy.weights(), 0))
    for step, file in {0: None, **files}.items():
        if file is not None:
            _put(policy.trainable(), load_file(file), prefix)
        row, _ = evaluation(Weights.of(policy.weights(), step))
        yield step, row["eval/accuracy"]


def _put(parameters: Mapping[str, "Tensor"], tensors: Mapping[str, "Tensor"], prefix: str) -> None:
    import torch

    with torch.no_grad():
        for name, p in parameters.items():
            p.copy_(tensors[prefix + name])


def crossing(curve: Curve, level: float = LEVEL) -> tuple[float, float] | None:
    """Steps and seconds at which accuracy first reaches `level`, on straight lines between measurements, if it does."""
    before = curve[0]
    for after in curve:
        if after[2] >= level:
            share = 0.0 if after[2] == before[2] else (level - before[2]) / (after[2] - before[2])
            steps, seconds = (b + share * (a - b) for b, a in zip(before[:2], after[:2], strict=True))
            return steps, seconds
        before = after
    return None


def _row(system: str, seed: int, report: Row, curve: Curve) -> JsonObject:
    steps, seconds = crossing(curve) or (None, None)
    last, taken = report["steps"][-1]
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


# One run of ours, in a process of its own


def work(run: JsonObject) -> JsonObject:
    """Train with these encoded settings, and report the steps with their seconds since the first generation."""
    return carry_out(decode(run, Run, trusted=True))


def carry_out(run: Run) -> JsonObject:
    """Train, and report the steps with their seconds since the first generation."""
    from steelyard.training.train import train

    steps: list[tuple[int, float]] = []
    began: list[float] = []

    def watch(file: str, row: JsonMapping) -> None:
        # The local runtime's own clock starts when searchers are let go; inline goes on to its first batch when it has
        # measured the first weights.
        if file == "timing":
            steps.append((row["step"], row["seconds"]))
        elif run.runtime == "inline" and file == "metrics":
            steps.append((row["step"], time.monotonic() - began[0]))
        elif file == "eval" and not began:
            began.append(time.monotonic())

    summary = train(run, name="bench", report=False, watch=watch).summary
    idle = {name: summary[name] for name in ("learner_idle", "searcher_idle")}
    return {"steps": steps, "completions": summary["trajectories"], "where": idle}


if __name__ == "__main__":
    serve(work)
