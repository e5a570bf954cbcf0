"""Reads a run directory back: its settings, its result, and its model once it has finished."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from steelyard.core import SteelyardError, decode
from steelyard.core.json import JsonObject
from steelyard.runtime import Run
from steelyard.runtime.run_dir.records import ENDS, RESULT


@dataclass(frozen=True)
class StoredRun:
    """A run as its config.json describes it; it need not have finished."""

    recipe: str
    """Name of the recipe."""
    run: Run
    """The settings."""
    callable_reward: bool
    """Whether a callable of the starting process scored it; then `resume` needs that callable again."""


@dataclass(frozen=True)
class FinishedRun:
    """A run that has finished."""

    recipe: str
    """Name of the recipe."""
    run: Run
    """The settings."""
    model: Path
    """Directory of the trained model."""

    @property
    def trained(self) -> Run:
        """The settings with the trained model in place of the base; adapters are already merged into it."""
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
    return StoredRun(recipe, decode(settings, Run, where=str(config)), asked)


def extended(directory: Path, max_steps: int) -> JsonObject:
    """The config.json of a run that `read_stored_run` reads, with more steps; it notes where the run ended before."""
    data: JsonObject = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    before = data["run"].get("max_steps", Run.max_steps)
    ended = [before] if (directory / RESULT).exists() else []
    return data | {"run": data["run"] | {"max_steps": max_steps}, ENDS: [*data.get(ENDS, []), *ended]}


def read_finished_run(directory: Path | str) -> FinishedRun:
    """Read the settings of a finished run and find its model.

    Raises:
        SteelyardError: it is not a run directory, its settings are damaged, or it holds no model yet.
    """
    stored = read_stored_run(directory)
    model = Path(directory) / "model"
    if not (model / "config.json").is_file():
        hint = f"the run has not finished: steelyard train --resume {directory}"
        raise SteelyardError("holds no model", where=str(directory), hint=hint)
    return FinishedRun(stored.recipe, stored.run, model)


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
