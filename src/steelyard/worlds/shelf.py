"""The shelf: every module of this room with a `WORLD`, found by reading the package; its name is the module's."""

import inspect

from steelyard import worlds
from steelyard.core import SteelyardError, require, suggest
from steelyard.core.modules import find_module, module_names
from steelyard.worlds.contract import World


def names() -> list[str]:
    """The worlds, sorted, in kebab case."""
    return [name for name in module_names(worlds) if "WORLD" in vars(find_module(name, worlds, "world"))]


def load(name: str) -> World:
    """The world of a name.

    Raises:
        SteelyardError: there is none; the message suggests near names.
    """
    if name not in (known := names()):
        raise SteelyardError(f"unknown world {name!r}", where="world", hint=suggest(name, known))
    module = find_module(name, worlds, "world")
    found: object = vars(module)["WORLD"]
    require(isinstance(found, World), "WORLD is no world", where=module.__name__, hint="see docs/add-a-method.md")
    assert isinstance(found, World)
    return found


def sheet(name: str) -> str:
    """The data sheet of a world: the docstring of its module."""
    return inspect.getdoc(find_module(name, worlds, "world")) or ""


def summary(name: str) -> str:
    """The first line of the data sheet."""
    return sheet(name).partition("\n")[0]
