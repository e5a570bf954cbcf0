"""Numeric settings of a frozen dataclass, by name, and copies in which some of them follow schedules.

A setting inside a setting is named with a dot, such as `first.max_kl`.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from steelyard.core.errors import SteelyardError, suggest
from steelyard.core.schedule import Schedule

T = TypeVar("T")


def numeric_settings(settings: object) -> dict[str, type[int] | type[float]]:
    """Name -> kind of every setting that takes a number, also those that may be None; switches are no numbers."""
    found: dict[str, type[int] | type[float]] = {}
    if not dataclasses.is_dataclass(settings):
        return found
    hints = typing.get_type_hints(type(settings))
    for f in dataclasses.fields(settings):
        kinds = _alternatives(hints[f.name])
        value = getattr(settings, f.name)
        if dataclasses.is_dataclass(value):
            found |= {f"{f.name}.{name}": kind for name, kind in numeric_settings(value).items()}
        elif f.init and kinds <= {int, float, type(None)} and kinds != {type(None)}:
            found[f.name] = float if float in kinds else int
    return found


def _alternatives(hint: object) -> set[object]:
    """The members of a union, or the type itself."""
    return set(typing.get_args(hint)) if typing.get_origin(hint) in (typing.Union, types.UnionType) else {hint}


def setting(settings: object, name: str) -> Any:
    """The value of a setting; a dotted name looks inside."""
    for part in name.split("."):
        settings = getattr(settings, part)
    return settings


def scheduled(settings: T, schedules: Mapping[str, Schedule], step: int) -> T:
    """A copy with the scheduled settings as they are at learner step `step`, whole numbers rounded.

    Raises:
        SteelyardError: no numeric setting has the name of a schedule, or a value is out of the setting's range.
    """
    kinds = numeric_settings(settings) if schedules else {}
    for name, schedule in schedules.items():
        if name not in kinds:
            what = f"{type(settings).__name__} has no numeric setting {name!r}"
            raise SteelyardError(what, where=f"--schedule.{name}", hint=suggest(name, kinds))
        value = schedule(step)
        settings = _replaced(settings, name.split("."), round(value) if kinds[name] is int else value)
    return settings


def _replaced(settings: T, path: list[str], value: int | float) -> T:
    first, *rest = path
    new = _replaced(getattr(settings, first), rest, value) if rest else value
    return dataclasses.replace(settings, **{first: new})  # pyright: ignore[reportArgumentType, reportUnknownVariableType]
