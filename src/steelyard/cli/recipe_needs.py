"""What each recipe needs: an extra, a model of the hub, or what only its user has.

A part of a recipe that needs an extra says so in `extra`, a name or an empty text; `OWN_DATA` is what a user gives.
"""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import NamedTuple

from steelyard.cli import own_data
from steelyard.policy.meta_model import local_directory
from steelyard.recipes import find
from steelyard.runtime import Run
from steelyard.training.preflight import auxiliary_models


class Needs(NamedTuple):
    """What a recipe needs beside a plain installation."""

    command: str
    """The recipe as a command."""
    given: str
    """The part of it that stands for a model and data of the user's own; empty where the recipe brings all."""
    extras: tuple[str, ...]
    fetched: tuple[str, ...]
    """Models and data sets of the hub that are fetched at the first run; what is here already is not named."""


def needs_of(name: str) -> Needs:
    """What the recipe of this name needs."""
    recipe = find(name)
    command = own_data.recipe_command(name)
    extras = tuple(dict.fromkeys(_extras(recipe)))
    given = command.removeprefix(f"steelyard train {name}").strip()
    return Needs(command, given, extras, tuple(_fetched(recipe)) if isinstance(recipe, Run) else ())


def _extras(settings: object) -> Iterator[str]:
    """The extras of all parts, at any depth."""
    if not is_dataclass(settings):
        return
    if extra := getattr(settings, "extra", ""):
        yield extra
    for f in fields(settings):
        yield from _extras(getattr(settings, f.name))


def _fetched(run: Run) -> Iterator[str]:
    models = [run.model, *(auxiliary.model for auxiliary in auxiliary_models(run).values())]
    yield from (name for name in dict.fromkeys(models) if name and local_directory(name) is None)
    if found := getattr(run.task, "fetches", None):
        yield found
