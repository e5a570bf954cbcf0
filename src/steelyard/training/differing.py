"""The settings that a plan shows: those that are not at their default, and the main ones."""

import typing
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

import tyro

from steelyard.core import id_of
from steelyard.core.json import JsonObject

ALWAYS_SHOWN = (
    "--beta",
    "--clamp",
    "--temperature",
    "--num-prompts",
    "--num-generations",
    "--replay.recent-probability",
    "--batch-size",
    "--learning-rate",
)
"""Flags that the plan always shows, because every run depends on them; others are shown if not at their default."""
CHOSEN = ("curriculum", "decode")
"""Settings that a flag chooses by id: the id is shown, where they are not the usual ones."""
PARTS = ("task", "objective", "replay")
"""Settings that are a method or a task: their class is shown."""


def differing(settings: Any) -> JsonObject:
    """Class of each part, and flag -> value of each setting that is not at its default or is in `ALWAYS_SHOWN`."""
    parts = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name in PARTS}
    return {name: type(part).__name__ for name, part in parts.items()} | dict(_walk(settings, "--"))


def _walk(part: Any, prefix: str) -> Iterator[tuple[str, object]]:
    hints = typing.get_type_hints(type(part), include_extras=True)
    for f in fields(part):
        value = getattr(part, f.name)
        flag = f"{prefix}{f.name.replace('_', '-')}"
        if isinstance(value, dict):
            yield from ((f"{flag}.{name}", str(item)) for name, item in value.items())
        elif is_dataclass(value):
            if f.name in CHOSEN and not isinstance(value, type(_default(f))):
                yield flag, id_of(value) or type(value).__name__
            plain = tyro.conf.OmitArgPrefixes in getattr(hints[f.name], "__metadata__", ())
            yield from _walk(value, "--" if plain else f"{flag}.")
        elif value != f.default or flag in ALWAYS_SHOWN:
            yield flag, value


def _default(f: "Field[Any]") -> object:
    return f.default if f.default_factory is MISSING else f.default_factory()
