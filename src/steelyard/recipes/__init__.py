"""Named runs: every module of this package holds one frozen `RECIPE` and is called by its file's name.

A recipe is a `Run`, which is post-training, or a `Job` on given data.
"""

import sys

from steelyard.core import SteelyardError
from steelyard.core.job import Job
from steelyard.core.modules import find_module, module_names, module_summaries
from steelyard.runtime import Run

_PACKAGE = sys.modules[__name__]


def names() -> list[str]:
    """The names of all recipes, in kebab case, sorted."""
    return module_names(_PACKAGE)


def summaries() -> dict[str, str]:
    """Name -> the recipe in one line."""
    return module_summaries(_PACKAGE, "recipe")


def find(name: str) -> Run | Job:
    """The recipe of that name.

    Raises:
        SteelyardError: there is none; the message suggests near names.
    """
    return find_module(name, _PACKAGE, "recipe").RECIPE


def load(name: str) -> Run:
    """The recipe of that name, which must be one of post-training.

    Raises:
        SteelyardError: there is none, or it is a job on given data; `find` gives either.
    """
    found = find(name)
    if not isinstance(found, Run):
        what = f"{name!r} is a job on given data, without prompts and samples"
        raise SteelyardError(what, where="recipe", hint="name a recipe that samples, such as arithmetic")
    return found
