"""Recipes by name: every module of `steelyard.recipes.named` holds one `RECIPE` and is called by its file's name."""

import importlib
import pkgutil
from types import ModuleType

from steelyard.core import SteelyardError, suggest
from steelyard.recipes import named, studies
from steelyard.runtime import Run


def names(package: ModuleType = named) -> list[str]:
    """The names in a package of recipes (or studies), in kebab case, sorted."""
    return sorted(
        m.name.replace("_", "-") for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")
    )


def module(name: str, package: ModuleType = named) -> ModuleType:
    """The module behind a name.

    Raises:
        SteelyardError: there is none; the message suggests near names.
    """
    known = names(package)
    kind = "recipe" if package is named else "study"
    if name not in known:
        raise SteelyardError(f"unknown {kind} {name!r}", where=kind, mend=suggest(name, known))
    return importlib.import_module(f"{package.__name__}.{name.replace('-', '_')}")


def summaries(package: ModuleType = named) -> dict[str, str]:
    """Name -> the first line of its module's docstring."""
    return {name: (module(name, package).__doc__ or "").strip().partition("\n")[0] for name in names(package)}


def load(name: str) -> Run:
    """The recipe of that name."""
    return module(name).RECIPE


def study(name: str) -> ModuleType:
    """The study of that name."""
    return module(name, studies)
