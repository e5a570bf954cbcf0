"""Jobs: what `steelyard train` runs besides post-training. Their data are given, so there are no searchers.

A room below `training` offers a `Job`, frozen settings that a recipe holds; `training` opens it and drives the `Work`
that comes out: steps, evaluations, checkpoints, signals and records are the driver's, what a step is the room's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from steelyard.core.json import JsonMapping, JsonObject
from steelyard.core.limits import NonNegativeInt, Positive, PositiveInt, Seed, checked
from steelyard.core.method import Dataclass
from steelyard.core.trajectory import Prompt


@runtime_checkable
class Work(Protocol):
    """A job under way: data are read, models are loaded, and `steps` are made.

    What follows a step is a function of the settings, the seed and what `save` wrote: a job that is restored makes the
    same steps, bit for bit.
    """

    @property
    def steps(self) -> int:
        """Steps that are made."""
        ...

    @property
    def num_steps(self) -> int:
        """Steps to make in all."""
        ...

    @property
    def facts(self) -> JsonMapping:
        """The data in numbers, for data.json; `notes` counts what was left out or changed, by what it is."""
        ...

    def step(self) -> JsonMapping:
        """Make the next step; returns its metrics."""
        ...

    def evaluate(self) -> tuple[JsonObject, list[JsonObject]]:
        """Measure what there is now: numbers named `eval/...`, and samples to read."""
        ...

    def save(self, directory: Path) -> None:
        """Write into `directory`, as plain files, all that `restore` needs."""
        ...

    def restore(self, directory: Path) -> None:
        """Go on from what `save` wrote. To be asked of work that has made no step."""
        ...

    def save_model(self, directory: Path) -> None:
        """Write what the job was for into a directory that is not there yet."""
        ...

    def close(self) -> None:
        """End child processes, where there are any."""
        ...


@runtime_checkable
class Job(Dataclass, Protocol):
    """Settings of a job: a frozen dataclass, usually one that derives from `DrivenSettings`."""

    @property
    def seed(self) -> int:
        """Seed of every random draw."""
        ...

    @property
    def output_dir(self) -> str | None:
        """The run's directory; None for runs/RECIPE-TIME."""
        ...

    @property
    def max_steps(self) -> int | None:
        """Steps to make; None where the data and the epochs say it."""
        ...

    @property
    def eval_steps(self) -> int:
        """Steps between two evaluations."""
        ...

    @property
    def save_steps(self) -> int:
        """Steps between two checkpoints; 0 makes one only when the run is stopped or has ended."""
        ...

    @property
    def keep_checkpoints(self) -> int:
        """Checkpoints kept."""
        ...

    @property
    def threads(self) -> int | None:
        """Compute threads; None leaves their number to torch."""
        ...

    @property
    def title(self) -> str:
        """What it does to what, in a line."""
        ...

    def plan(self) -> Mapping[str, JsonObject]:
        """What `--dry-run` shows beside the settings: heading -> numbers by name. Writes and downloads nothing.

        Raises:
            SteelyardError: the job could not start.
        """
        ...

    def open(self) -> Work:
        """Read the data and load the models.

        Raises:
            SteelyardError: a file, a model or a setting is wrong; nothing has been written.
        """
        ...

    def trained(self, model: Path) -> "Job":
        """The same job on what `save_model` wrote: `steelyard eval RUN` opens it and evaluates."""
        ...


@runtime_checkable
class Makes(Protocol):
    """A job that makes something else than a model."""

    @property
    def product(self) -> str:
        """The directory of the run that `Work.save_model` writes."""
        ...


@runtime_checkable
class Reopens(Protocol):
    """A job that finds something slowly before its first step. Its work keeps that in every checkpoint."""

    def reopen(self, kept: Path) -> Work:
        """As `open`, with what is in the checkpoint `kept` read back and not found again.

        Args:
            kept: what `Work.save` wrote; `restore` is asked to go on from it afterwards.

        Raises:
            SteelyardError: as for `open`, or it is damaged.
        """
        ...


def opened(job: Job, kept: Path | None) -> Work:
    """The job under way; `kept` is a checkpoint of its run, where there is one."""
    return job.reopen(kept) if kept is not None and isinstance(job, Reopens) else job.open()


def product_of(job: Job) -> str:
    """The directory of the run that holds what the job was for."""
    return job.product if isinstance(job, Makes) else "model"


@runtime_checkable
class MeasuresTexts(Protocol):
    """A job whose model rates texts, for `steelyard eval RUN --texts FILE`."""

    def measured_on(self, texts: str) -> Job:
        """The same job, measured by all labelled texts of a file."""
        ...


@runtime_checkable
class Placed(Dataclass, Protocol):
    """A job whose model computes on a device of one's choice."""

    @property
    def device(self) -> str:
        """auto, cpu, cuda or cuda:NUMBER."""
        ...


def placed_on(job: Job, device: str) -> Job:
    """The job with its model on another device, where it has one to place."""
    return replace(job, device=device) if isinstance(job, Placed) else job


@runtime_checkable
class Speaks(Protocol):
    """A job whose model writes text, for `steelyard sample`."""

    @property
    def max_completion_length(self) -> int:
        """Most tokens of a completion."""
        ...

    def asked(self) -> Sequence[Prompt]:
        """Prompts that show what the job has changed."""
        ...

    def policy(self) -> Any:
        """The model: a `steelyard.policy.Policy`."""
        ...


@runtime_checkable
class Draws(Protocol):
    """A job whose model makes something else than text, for `steelyard sample`."""

    def drawn(self, number: int, seed: int, output: str) -> list[JsonObject]:
        """So many of what it makes, each with a `prompt`, what was asked for, and a `completion`, to be read.

        Args:
            number: how many.
            seed: of the draws.
            output: a file to write them to; empty for none.

        Raises:
            SteelyardError: there is no trained model, or such a file is not written.
        """
        ...


@checked()
@dataclass(frozen=True)
class DrivenSettings:
    """What the driver asks of the settings of a job."""

    max_steps: PositiveInt | None = None
    """Steps to make; None for as many as the data or the method say."""
    seed: Seed = 0
    """Seed of every random draw."""
    output_dir: str | None = None
    """The run's directory, empty or not there yet; by default runs/RECIPE-TIME."""
    eval_steps: PositiveInt = 50
    """Steps between two evaluations; the first and the last are always made."""
    save_steps: NonNegativeInt = 50
    """Steps between two checkpoints; 0 makes one only when the run is stopped or has ended."""
    keep_checkpoints: PositiveInt = 2
    """Checkpoints kept; older ones are deleted."""
    threads: PositiveInt | None = None
    """Compute threads; a run repeats bit for bit only at the same number. None leaves it to torch."""


@checked()
@dataclass(frozen=True)
class JobSettings(DrivenSettings):
    """What jobs that learn from examples have in common."""

    epochs: PositiveInt = 1
    """Passes over the data; --max-steps, where it is given, goes before."""
    batch_size: PositiveInt = 8
    """Examples in a learner step."""
    learning_rate: Positive = 1e-5
    """The optimizer's learning rate; --optimizer.schedule multiplies it."""

    def steps_over(self, examples: int) -> int:
        """Steps to make on so many examples: an epoch's last step takes what is left."""
        return self.max_steps or self.epochs * -(-examples // self.batch_size)
