"""Reads a run directory back: its settings, its result, and its model once it has finished."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from steelyard.core import SteelyardError, decode, require
from steelyard.core.job import Job, product_of
from steelyard.core.json import JsonObject
from steelyard.runtime import Run
from steelyard.runtime.run_dir.records import ENDS


@dataclass(frozen=True)
class StoredRun:
    """A run as its config.json describes it; it need not have finished."""

    recipe: str
    """Name of the recipe."""
    settings: Run | Job
    """The settings: of post-training, or of a job on given data."""
    callable_reward: bool
    """Whether a callable of the starting process scored it; then `resume` needs that callable again."""
    directory: Path
    """Where it is."""

    @property
    def run(self) -> Run:
        """The settings of post-training.

        Raises:
            SteelyardError: the run did no post-training.
        """
        return post_training(self.settings, self.directory)


def post_training(settings: Run | Job, directory: Path) -> Run:
    """The settings, where they are those of post-training.

    Raises:
        SteelyardError: they are those of a job on given data, which has no prompts, samples or replay buffer.
    """
    if isinstance(settings, Run):
        return settings
    what = "is a job on given data, without searchers and replay buffer"
    raise SteelyardError(what, where=str(directory), hint="name the run of a recipe that samples, such as arithmetic")


@dataclass(frozen=True)
class FinishedRun:
    """A run that has finished."""

    recipe: str
    """Name of the recipe."""
    settings: Run | Job
    """The settings: of post-training, or of a job on given data."""
    model: Path
    """Directory of the trained model."""

    @property
    def run(self) -> Run:
        """The settings of post-training.

        Raises:
            SteelyardError: the run did no post-training.
        """
        return post_training(self.settings, self.model.parent)

    def job(self, *, base: bool) -> Job | None:
        """The job on given data, on the model that it began with or on what it wrote; None for post-training."""
        if isinstance(self.settings, Run):
            return None
        return self.settings if base else self.settings.trained(self.model)

    @property
    def trained(self) -> Run:
        """`run` with the trained model in place of the base; adapters are already merged into it."""
        return replace(self.run, model=str(self.model), lora_rank=0)


def read_stored_run(directory: Path | str) -> StoredRun:
    """Read the settings of a run directory, finished or not.

    Raises:
        SteelyardError: it is not a run directory, or its settings are damaged.
    """
    directory = Path(directory)
    config = directory / "config.json"
    if not config.is_file():
        raise SteelyardError(
            "holds no config.json",
            where=str(directory),
            hint="name the directory of a run, such as runs/arithmetic-...",
        )
    try:
        data = json.loads(config.read_text(encoding="utf-8"))
        recipe = str(data["recipe"])
        settings = dict(data["run"])
        asked = bool(data.get("callable_reward"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SteelyardError(
            "is damaged", where=str(config), hint="train again; a finished run's model is in model/"
        ) from error
    found = decode(settings, Run, where=str(config))
    hint = "train again; a finished run's model is in model/"
    require(isinstance(found, Run | Job), f"holds settings of a {type(found).__name__}", where=str(config), hint=hint)
    return StoredRun(recipe, found, asked, directory)


def extended(directory: Path, max_steps: int) -> JsonObject:
    """The config.json of a run that `read_stored_run` reads, with more steps; it notes where the run ended before."""
    data: JsonObject = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    result = read_result(directory)
    before = data["run"].get("max_steps", Run.max_steps) or (result or {}).get("steps")
    ended = [] if result is None else [before]
    return data | {"run": data["run"] | {"max_steps": max_steps}, ENDS: [*data.get(ENDS, []), *ended]}


def read_finished_run(directory: Path | str) -> FinishedRun:
    """Read the settings of a finished run and find its model.

    Raises:
        SteelyardError: it is not a run directory, its settings are damaged, or it holds no model yet.
    """
    stored = read_stored_run(directory)
    product = "model" if isinstance(stored.settings, Run) else product_of(stored.settings)
    what = f"made no model, but {product}"
    require(product == "model", what, where=str(directory), hint=f"look into {Path(directory) / product}")
    model = Path(directory) / "model"
    if not model.is_dir():  # it is written whole or not at all
        hint = f"the run has not finished: steelyard train --resume {directory}"
        raise SteelyardError("holds no model", where=str(directory), hint=hint)
    return FinishedRun(stored.recipe, stored.settings, model)


def read_result(directory: Path) -> JsonObject | None:
    """The summary of a finished run; None if it has not finished.

    Raises:
        SteelyardError: the file is damaged.
    """
    file = directory / "result.json"
    if not file.exists():
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=JsonObject)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SteelyardError("is damaged", where=str(file), hint="delete it to repeat the run") from error
