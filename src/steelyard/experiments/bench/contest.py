"""Ours against TRL's GRPOTrainer: one run of either side, alone in a process of its own, and the curve of its weights.

Both sides have the task, the model, the adapters and the stop strings of one `Run`, and nothing is measured while they
train. Weights are kept every few steps, and measured after the run, off the clock, by one evaluator for both.

    seconds      since the first generation: imports and loading are not on the clock, learning is
    a level      between two measurements the held-out accuracy is taken to rise in a straight line

What our runs write while they train (every trajectory to disk, checkpoints, records) is on their clock; TRL writes
nothing.
"""

import math
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.core import SteelyardError, Stopped, Weights, decode, encode
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.experiments.bench.peers.trl_grpo import TrlGrpo
from steelyard.experiments.harness.processes import ask, serve
from steelyard.runtime import HeldOut, Run

if TYPE_CHECKING:
    from torch import Tensor

# Where a model has a large vocabulary, TRL gives hundreds of megabytes back in every forward pass and takes them again.
# To keep them halves its time there (26 s a step for 49); ours gains nothing by it.
_KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**33),
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "MALLOC_TOP_PAD_": str(2**28),
}
_PEER = "steelyard.experiments.bench.peers.trl_grpo"
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
    """Of each run, at most."""
    snapshot_steps: int
    """Between two measurements of the weights."""
    seconds: float = math.inf
    """A run ends with the step in which these have passed."""
    deadline: float = 600.0
    """Seconds after which a run is given up."""


def has_trl(python: str | None) -> bool:
    """True where `python`, None for this interpreter, can run the peer.

    Raises:
        SteelyardError: it cannot be run at all.
    """
    python = python or sys.executable
    try:
        done = subprocess.run([python, "-c", "import trl, datasets, steelyard"], capture_output=True, check=False)
    except OSError as error:
        raise SteelyardError(
            f"cannot be run ({error.strerror})", where="--peer-python", hint="name an interpreter"
        ) from error
    return done.returncode == 0


def own_run(contest: Contest, runtime: Any, seed: int, place: Path) -> tuple[JsonObject, dict[int, Path]]:
    """One run of ours: what it reports, and the file of each step's weights.

    Raises:
        SteelyardError: it failed; the message is its last line.
        FaultError: it did not come to its end.
    """
    run = replace(contest.own, runtime=runtime, seed=seed, max_steps=contest.steps)
    return trained(run, contest.snapshot_steps, place, seconds=contest.seconds, deadline=contest.deadline)


def trained(
    run: Run,
    snapshot_steps: int,
    place: Path,
    *,
    threads: int = 1,
    seconds: float = math.inf,
    deadline: float = 600.0,
) -> tuple[JsonObject, dict[int, Path]]:
    """A run of ours that measures nothing, likewise.

    Args:
        run: the settings.
        snapshot_steps: between two files of weights.
        place: the run's directory.
        threads: of the process that an inline run is.
        seconds: the run ends with the step in which these have passed.
        deadline: seconds after which it is given up.

    Raises:
        SteelyardError: it failed; the message is its last line.
        FaultError: it did not come to its end.
    """
    run = replace(
        run,
        save_steps=snapshot_steps,
        keep_checkpoints=run.max_steps,
        evaluation=_UNMEASURED,
        output_dir=str(place),
    )
    settings = {"run": encode(run), "seconds": _finite(seconds)}
    command = [sys.executable, "-m", __name__]
    report = ask(place.name, command, settings, threads=threads, deadline=deadline)
    files = {int(file.parent.name.rpartition("-")[2]): file for file in place.glob("checkpoint-*/learner.safetensors")}
    return report, dict(sorted((step, file) for step, file in files.items() if step > 0))


def peer_run(contest: Contest, python: str | None, seed: int, place: Path) -> tuple[JsonObject, dict[int, Path]]:
    """One run of TRL, likewise; `python` has it, None is this interpreter."""
    place.mkdir()
    limits = {"max_steps": contest.steps, "snapshot_steps": contest.snapshot_steps}
    peer = replace(
        contest.peer,
        run=encode(contest.own),
        directory=str(place),
        seed=seed,
        seconds=_finite(contest.seconds),
        **limits,
    )
    command = [python or sys.executable, "-m", _PEER]
    report = ask(place.name, command, asdict(peer), threads=peer.threads, deadline=contest.deadline, also=_KEEP_MEMORY)
    report["where"] = {"generating": report["generating"] / report["steps"][-1][1]}
    return report, dict(sorted((int(file.stem), file) for file in place.glob("*.safetensors")))


def _finite(seconds: float) -> float | None:
    """As JSON has it."""
    return None if math.isinf(seconds) else seconds


# Accuracy


def curve_of(run: Run, prompts: int, times: Sequence[Sequence[Any]], files: Mapping[int, Path]) -> Curve:
    """The greedy held-out accuracy of the first weights and of each file of weights, at its step's time.

    Args:
        run: the model, the adapters and the task.
        prompts: held-out prompts to ask.
        times: steps and the seconds after which they were made.
        files: step -> safetensors, of either side.
    """
    seconds = {0: 0.0, **{int(step): float(when) for step, when, *_ in times}}
    rows = measured(replace(run, evaluation=replace(_UNMEASURED, prompts=prompts)), files)
    return [(step, seconds[step], row["eval/accuracy"]) for step, row in rows]


def measured(run: Run, files: Mapping[int, Path]) -> Iterator[tuple[int, JsonObject]]:
    """What `run.evaluation` asks for, of the first weights and of each file of weights, with samples to read.

    Args:
        run: the model, the adapters, the task and what is measured.
        files: step -> safetensors, of either side.
    """
    import torch
    from safetensors.torch import load_file

    from steelyard.runtime.factories import make_evaluation, make_policy

    torch.set_num_threads(1)
    policy = make_policy(run)
    evaluation = make_evaluation(run, policy, Weights.of(policy.weights(), 0))
    for step, file in {0: None, **files}.items():
        if file is not None:
            _put(policy.trainable(), load_file(file))
        row, samples = evaluation(Weights.of(policy.weights(), step))
        yield step, {**row, "samples": samples}


def _put(parameters: Mapping[str, "Tensor"], tensors: Mapping[str, "Tensor"]) -> None:
    """Copy them in, whoever saved them: our learner has a prefix of its own, and peft another one."""
    import torch

    with torch.no_grad():
        for name, p in parameters.items():
            p.copy_(
                next(tensors[key] for key in (f"policy.{name}", f"base_model.model.{name}", name) if key in tensors)
            )


def crossing(curve: Curve, level: float) -> tuple[float, float] | None:
    """Steps and seconds at which accuracy first reaches `level`, on straight lines between measurements, if it does."""
    before = curve[0]
    for after in curve:
        if after[2] >= level:
            share = 0.0 if after[2] == before[2] else (level - before[2]) / (after[2] - before[2])
            steps, seconds = (b + share * (a - b) for b, a in zip(before[:2], after[:2], strict=True))
            return steps, seconds
        before = after
    return None


# One run of ours, in a process of its own


def work(run: JsonObject, seconds: float | None = None) -> JsonObject:
    """Train with these encoded settings, and report the steps with their seconds since the first generation."""
    return carry_out(decode(run, Run, trusted=True), math.inf if seconds is None else seconds)


def carry_out(run: Run, seconds: float = math.inf) -> JsonObject:
    """Train, and report each step: when it was made, in seconds since the first generation, and the completions that
    had been generated, None where the run does not count them. After `seconds` it is stopped, as by Ctrl-C."""
    from steelyard.training.train import train

    steps: list[tuple[int, float, int | None]] = []
    began: list[float] = []
    asked: list[bool] = []
    summary: JsonMapping = {}

    def watch(file: str, row: JsonMapping) -> None:
        # The local runtime's own clock starts when searchers are let go; inline goes on to its first batch when it has
        # measured the first weights.
        if file == "timing":
            steps.append((row["step"], row["seconds"], round(row["completions_per_s"] * row["seconds"])))
        elif run.runtime == "inline" and file == "metrics":
            steps.append((row["step"], time.monotonic() - began[0], None))
        elif file == "eval" and not began:
            began.append(time.monotonic())
        if steps and steps[-1][1] >= seconds and not asked:
            asked.append(True)
            signal.raise_signal(signal.SIGTERM)

    try:
        summary = train(run, name="bench", report=False, watch=watch).summary
    except Stopped:
        if not asked:  # somebody else's Ctrl-C
            raise
    idle = {name: summary[name] for name in ("learner_idle", "searcher_idle") if name in summary}
    return {"steps": steps, "completions": summary.get("trajectories"), "where": idle}


if __name__ == "__main__":
    serve(work)
