"""The modules of a package by name, in kebab case: how recipes, studies and benchmarks are found."""

import importlib
import pkgutil
from types import ModuleType

from steelyard.core.errors import SteelyardError, suggest


def module_names(package: ModuleType) -> list[str]:
    """The names of a package's modules, in kebab case, sorted; not those that begin with an underscore."""
    modules = pkgutil.iter_modules(package.__path__)
    return sorted(m.name.replace("_", "-") for m in modules if not m.name.startswith("_"))


def find_module(name: str, package: ModuleType, kind: str) -> ModuleType:
    """The module behind a name.

    Args:
        name: in kebab case.
        package: whose modules are meant.
        kind: what such a module is called in messages.

    Raises:
        SteelyardError: there is none; the message suggests near names.
    """
    known = module_names(package)
    if name not in known:
        raise SteelyardError(f"unknown {kind} {name!r}", where=kind, hint=suggest(name, known))
    return importlib.import_module(f"{package.__name__}.{name.replace('-', '_')}")


def module_summaries(package: ModuleType, kind: str) -> dict[str, str]:
    """Name -> the first line of its module's docstring."""
    found = {name: find_module(name, package, kind) for name in module_names(package)}
    return {name: (module.__doc__ or "").strip().partition("\n")[0] for name, module in found.items()}
