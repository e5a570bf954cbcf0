"""Named runs: every module of this package holds one frozen `RECIPE` and is called by its file's name."""

import sys

from steelyard.core.modules import find_module, module_names, module_summaries
from steelyard.runtime import Run

_PACKAGE = sys.modules[__name__]


def names() -> list[str]:
    """The names of all recipes, in kebab case, sorted."""
    return module_names(_PACKAGE)


def summaries() -> dict[str, str]:
    """Name -> the recipe in one line."""
    return module_summaries(_PACKAGE, "recipe")


def load(name: str) -> Run:
    """The recipe of that name.

    Raises:
        SteelyardError: there is none; the message suggests near names.
    """
    return find_module(name, _PACKAGE, "recipe").RECIPE
