"""A run directory read back: its settings, and its model once it has ended."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from steelyard.core import SteelyardError, decode
from steelyard.runtime import Run


@dataclass(frozen=True)
class Begun:
    """A run that has begun: its recipe's name and its settings."""

    recipe: str
    run: Run
    callable_reward: bool
    """It was scored by a callable of the process that began it."""


@dataclass(frozen=True)
class Finished:
    """A run that has ended: its recipe's name, its settings, and where its model is."""

    recipe: str
    run: Run
    model: Path

    @property
    def trained(self) -> Run:
        """The settings with the trained model, merged if it had adapters, in place of the base."""
        return replace(self.run, model=str(self.model), lora_rank=0)


def open_begun(directory: Path | str) -> Begun:
    """Read the settings of a run directory.

    Raises:
        SteelyardError: it is no run directory, or its settings are damaged.
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
            "is damaged", where=str(config), hint="train again; the model alone is in model/"
        ) from error
    return Begun(recipe, decode(settings, Run, where=str(config)), asked)


def open_run(directory: Path | str) -> Finished:
    """Read a run directory.

    Raises:
        SteelyardError: it is no run directory, its settings are damaged, or it holds no model yet.
    """
    begun = open_begun(directory)
    model = Path(directory) / "model"
    if not (model / "config.json").is_file():
        hint = f"the run did not reach its end: steelyard train --resume {directory}"
        raise SteelyardError("holds no model", where=str(directory), hint=hint)
    return Finished(begun.recipe, begun.run, model)


def read_result(directory: Path) -> dict[str, Any] | None:
    """The summary that a run ended with; None where it has not ended.

    Raises:
        SteelyardError: the file is damaged.
    """
    file = directory / "result.json"
    if not file.exists():
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SteelyardError("is damaged", where=str(file), hint="take it away, to carry out the run again") from error
