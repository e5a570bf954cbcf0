"""Measurements of speed, each side by side with what people run today in the same run: `steelyard bench`.

A part is a module here, named in `PARTS`: its docstring says what is measured and how; `TITLE` stands above its table;
a frozen dataclass, called as the part is, holds its settings; `measure(settings, workdir, say)` returns rows that hold
every single run's figure; `table(rows)` makes columns and lines of them, with medians and spread. Where it has
`draw(rows, path)`, that is a picture.
"""

import importlib
from types import ModuleType

from steelyard.core import SteelyardError, suggest

PARTS = ("limits", "rollout", "learner", "score", "asynchrony", "replay", "publish", "startup", "profile")
"""In the order in which they run and stand on the page."""
ALONE = ("pretrained", "gpu", "load", "watch", "growth")
"""Parts that `all` leaves out: not everybody has what they measure."""


def part(name: str) -> ModuleType:
    """The module of a part.

    Raises:
        SteelyardError: there is none of that name.
    """
    known = (*PARTS, *ALONE)
    if name not in known:
        raise SteelyardError(f"unknown part {name!r}", where="bench", hint=suggest(name, known))
    return importlib.import_module(f"{__name__}.{name}")


def settings_of(module: ModuleType) -> type:
    """The dataclass of a part's settings."""
    return getattr(module, module.__name__.rpartition(".")[2].capitalize())


def summaries() -> dict[str, str]:
    """Name -> the first line of the part's docstring."""
    return {name: (part(name).__doc__ or "").strip().partition("\n")[0] for name in (*PARTS, *ALONE)}
