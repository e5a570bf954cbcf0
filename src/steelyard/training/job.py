"""Drives a job: its steps, evaluations and checkpoints, one after the other in one process.

A row of metrics.jsonl for each step, of eval.jsonl before the first step, every `eval_steps` and after the last, and
timing.jsonl with wall-clock seconds. A run that was killed and resumed has the same weights and the same rows, bit for
bit, as one that was not (timing.jsonl apart), on one machine and build.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import torch

from steelyard.core import require
from steelyard.core.job import Job, Work, opened, product_of
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.runtime.factories import save_whole
from steelyard.runtime.run_dir import checkpoint
from steelyard.runtime.run_dir.records import Records, to_json
from steelyard.runtime.stopping import StopSignal, stop_signals

KIND = "job"
"""What `runtime` says in the checkpoints and the result of a job."""


@dataclass
class Progress:
    """What a checkpoint keeps beside the work."""

    seconds: float = 0.0
    """Seconds of the steps so far, evaluations included, without the time between a kill and the resume."""
    first: JsonObject = field(default_factory=dict)
    """The evaluation before the first step."""
    last: JsonObject = field(default_factory=dict)
    """The newest evaluation; its step says of which weights."""


class JobRun:
    """One job from its first step, or from a checkpoint, to its last.

    Args:
        job: the settings.
        records: where rows go.
        made: the checkpoint to go on from; None begins anew.
    """

    def __init__(self, job: Job, records: Records, made: Path | None = None) -> None:
        self.job = job
        self.records = records
        self.made = made
        self.progress = Progress()
        self.work: Work

    def train(self) -> JsonObject:
        """Run to the last step; returns the summary.

        Raises:
            SteelyardError: the data, a model or a setting is wrong.
            Stopped: a signal asked for it; there is a checkpoint to go on from.
        """
        with stop_signals() as stop, _threads(self.job.threads), closing(opened(self.job, self.made)) as work:
            self.work = work
            self._begin()
            while work.steps < work.num_steps:
                if stop.requested is not None:
                    raise self._stopped(stop)
                self._step()
            save_whole(work.save_model, self.records.directory, product_of(self.job))
            self._save()
        return self._summary()

    def _begin(self) -> None:
        """Evaluate what there is before the first step; or go back to where the checkpoint was made."""
        if self.made is not None:
            self.progress = _read_progress(self.made)
            self.work.restore(self.made)
            self.records.begin()  # not before: what cannot be resumed stays as it was
        self.records.show("begin", {"steps": self.work.num_steps})
        if self.made is None:
            self.records.data(self.work.facts)
            self._evaluate()
            self.progress.first = self.progress.last

    def _step(self) -> None:
        began = time.monotonic()
        metrics = self.work.step()
        step = self.work.steps
        last = step >= self.work.num_steps
        self.records.write("metrics", {"step": step, **metrics})
        if last or step % self.job.eval_steps == 0:
            self._evaluate()
        self.progress.seconds += time.monotonic() - began
        self.records.write("timing", self._timing(step))
        if not last and self.job.save_steps and step % self.job.save_steps == 0:
            self._save()

    def _timing(self, step: int) -> JsonObject:
        seconds = self.progress.seconds
        return {"step": step, "seconds": seconds, "steps_per_s": step / seconds if seconds else None}

    def _evaluate(self) -> None:
        row, samples = self.work.evaluate()
        row = {"step": self.work.steps, **row}
        self.records.write("eval", row)
        for sample in samples:
            self.records.write("samples", {"step": self.work.steps, **sample})
        self.progress.last = msgspec.json.decode(to_json(row), type=JsonObject)  # as it is read back

    def _save(self) -> Path:
        part = checkpoint.begin(self.records.directory, self.work.steps)
        self.work.save(part)
        kept = {"progress": vars(self.progress), "records": self.records.sizes()}
        checkpoint.write_state(part, {"runtime": KIND, "steps": self.work.steps, **kept})
        made = checkpoint.seal(part)
        checkpoint.rotate(self.records.directory, self.job.keep_checkpoints)
        return made

    def _stopped(self, stop: StopSignal) -> Exception:
        self._save()
        return stop.stopped(self.records.directory, self.work.steps, self.work.steps)

    def _summary(self) -> JsonObject:
        before, after = (_measures(row) for row in (self.progress.first, self.progress.last))
        made = {"product": product_of(self.job), "steps": self.work.steps, "seconds": self.progress.seconds}
        return {**made, "before": before, "after": after}


def _measures(row: JsonMapping) -> JsonObject:
    return {name: value for name, value in row.items() if name.startswith("eval/")}


def _read_progress(made: Path) -> Progress:
    state = checkpoint.read_state(made)
    hint = "go on from another checkpoint"
    kept = state.get("progress")
    whole = isinstance(kept, dict) and kept.keys() == vars(Progress()).keys()
    require(whole, "holds no progress of a job", where=str(made / checkpoint.STATE), hint=hint)
    return Progress(**state["progress"])


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """Compute with so many threads inside the `with`."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
