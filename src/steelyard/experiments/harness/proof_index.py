"""Every proof of the package: each module of `experiments.proofs.<room>` with a `PROOF`, found by reading the packages.

A proof's id is its module's name in kebab case: that of the method, or of one of the methods, that it proves.
"""

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from steelyard.core import SteelyardError, require
from steelyard.experiments import proofs
from steelyard.experiments.harness.proof import Proof


def load(module: str) -> Proof[Any, Any]:
    """The proof that a module holds.

    Raises:
        SteelyardError: it holds none, or does not say what is measured.
    """
    loaded = importlib.import_module(module)
    found: object = vars(loaded).get("PROOF")
    if not isinstance(found, Proof):
        raise SteelyardError("holds no PROOF", where=module, hint="see docs/add-a-method.md")
    told = bool((inspect.getdoc(loaded) or "").strip())
    require(told, "does not say what is measured", where=module, hint="write its docstring")
    return found


def file_of_module(module: str) -> Path:
    """The source file of a module.

    Raises:
        SteelyardError: there is no such module.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise SteelyardError("is no module", where=module, hint="name the module of a proof")
    return Path(spec.origin).resolve()


def proof_modules() -> dict[str, str]:
    """Proof's id -> its module, sorted by id."""
    found = pkgutil.walk_packages(proofs.__path__, f"{proofs.__name__}.")
    named = {each.name.rpartition(".")[2].replace("_", "-"): each.name for each in found if not each.ispkg}
    return dict(sorted(named.items()))


@cache
def _proven() -> Mapping[str, str]:
    """Method's id -> its proof's id."""
    proven: dict[str, str] = {}
    for id, module in proof_modules().items():
        for method in load(module).proves:
            require(method not in proven, f"{method} has two proofs", where=module, hint="keep one of them")
            proven[method] = id
    return proven


def proof_of(method: str) -> str | None:
    """The id of the proof of a method; None where it has none."""
    return _proven().get(method)


def forget() -> None:
    """Read the packages anew: a module has come or gone."""
    _proven.cache_clear()


def module_of(method: str) -> tuple[str, str]:
    """The id and the module of a method's proof.

    Raises:
        SteelyardError: it has none.
    """
    id = proof_of(method)
    if id is None:
        hint = "see steelyard methods for those that have one"
        raise SteelyardError("has no proof", where=method, hint=hint)
    return id, proof_modules()[id]
