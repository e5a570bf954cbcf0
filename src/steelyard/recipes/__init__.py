"""Named runs: every module of this package holds one frozen `RECIPE` and is called by its file's name.

A recipe is a `Run`, which is post-training, a `Job` on given data, or a `Pipeline` of both. `_on_rows.py` holds one for
every objective, on prompts and answers of one's own: rows-METHOD.
"""

import sys

from steelyard.core import SteelyardError, require, suggest
from steelyard.core.job import Job
from steelyard.core.modules import find_module, module_names, module_summaries
from steelyard.recipes._on_rows import on_rows
from steelyard.runtime import Run
from steelyard.training.pipeline import Pipeline

_PACKAGE = sys.modules[__name__]
_ROWS = "rows-"


def names() -> list[str]:
    """The names of all recipes, in kebab case, sorted."""
    return sorted([*module_names(_PACKAGE), *(_ROWS + id for id in on_rows())])


def summaries() -> dict[str, str]:
    """Name -> the recipe in one line."""
    rows = {
        _ROWS + id: f"{type(run.objective).__name__} on questions and answers of your own."
        for id, run in on_rows().items()
    }
    return dict(sorted((module_summaries(_PACKAGE, "recipe") | rows).items()))


def find(name: str) -> Run | Job | Pipeline:
    """The recipe of that name.

    Raises:
        SteelyardError: there is none; the message suggests near names.
    """
    require(name in names(), f"unknown recipe {name!r}", where="recipe", hint=suggest(name, names()))
    own = on_rows().get(name.removeprefix(_ROWS)) if name.startswith(_ROWS) else None
    return find_module(name, _PACKAGE, "recipe").RECIPE if own is None else own


def load(name: str) -> Run:
    """The recipe of that name, which must be one of post-training.

    Raises:
        SteelyardError: there is none, or it is a job on given data or a pipeline; `find` gives any.
    """
    found = find(name)
    if not isinstance(found, Run):
        kind = "pipeline" if isinstance(found, Pipeline) else "job on given data, without prompts and samples"
        hint = "name a recipe that samples, such as arithmetic"
        raise SteelyardError(f"{name!r} is a {kind}", where="recipe", hint=hint)
    return found
