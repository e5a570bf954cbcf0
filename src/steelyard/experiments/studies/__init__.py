"""Measured claims: every module of this package is a study, called by its file's name."""

import sys
from types import ModuleType

from steelyard.core.modules import find_module, module_names, module_summaries

_PACKAGE = sys.modules[__name__]


def names() -> list[str]:
    """The names of all studies, in kebab case, sorted."""
    return module_names(_PACKAGE)


def summaries() -> dict[str, str]:
    """Name -> the study in one line."""
    return module_summaries(_PACKAGE, "study")


def find(name: str) -> ModuleType:
    """The study of that name.

    Raises:
        SteelyardError: there is none; the message suggests near names.
    """
    return find_module(name, _PACKAGE, "study")
