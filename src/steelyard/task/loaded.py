"""What a user's setting names in a module or file of their own: `module:Class` or `path/to/file.py:Class`."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steelyard.core import SteelyardError, first_line, require
from steelyard.core.json import JsonObject, check_keys
from steelyard.reward.worker import load

FORMS = "write module:Class or path/to/file.py:Class"


def load_callable(named: str, flag: str) -> Callable[..., Any]:
    """The class or function that a setting names, also beside the working directory.

    Raises:
        SteelyardError: it names none, or cannot be loaded.
    """
    place, _, name = named.rpartition(":")
    require(bool(place) and name.isidentifier(), "names no class", where=flag, hint=FORMS)
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        found = load(named)
    except (ImportError, AttributeError, OSError, SyntaxError, NameError) as error:
        what = f"{named} cannot be loaded ({type(error).__name__}: {first_line(error)})"
        raise SteelyardError(what, where=flag, hint=FORMS) from error
    require(callable(found), f"{name} cannot be called", where=flag, hint=FORMS)
    return found


def read_object(written: str, flag: str, hint: str) -> JsonObject:
    """The JSON object that a setting holds.

    Raises:
        SteelyardError: it is none, or a key stands twice in it.
    """
    try:
        found = json.loads(written)
        check_keys(written, flag)
    except ValueError as error:
        raise SteelyardError(f"it is not JSON: {error}", where=flag, hint=hint) from error
    require(isinstance(found, dict), "it is not a JSON object", where=flag, hint=hint)
    return found
