"""The rooms that hold methods, found by reading the package: a room registers its methods when it is imported."""

import importlib
import re
from functools import cache
from pathlib import Path
from types import ModuleType

_ROOT = Path(__file__).parents[1]
_DECLARES = re.compile(r"^@method\(", re.M)


@cache
def room_names() -> tuple[str, ...]:
    """The packages below `steelyard` with a module that declares a method, sorted."""
    packages = (place.parent for place in _ROOT.glob("*/__init__.py"))
    return tuple(sorted(package.name for package in packages if _declares(package)))


def _declares(package: Path) -> bool:
    return any(_DECLARES.search(file.read_text(encoding="utf-8")) for file in package.rglob("*.py"))


def import_rooms() -> list[ModuleType]:
    """The rooms, imported: after this the registry holds every method of the package."""
    return [importlib.import_module(f"steelyard.{name}") for name in room_names()]
