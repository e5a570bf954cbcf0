"""`steelyard warmstart NAME`: make a base model that ships with the package again, by the same seeded training."""

from collections.abc import Sequence
from typing import Any

from steelyard.cli.flags import choose, parse
from steelyard.worlds.bases import BY_NAME

PURPOSE = "Make a base model that ships with the package again, by the same seeded steps."


def run(words: Sequence[str]) -> dict[str, Any]:
    """Make the base model; print what it is like."""
    known = {name: (cls.__doc__ or "").strip() for name, cls in BY_NAME.items()}
    name = choose(words, known, command="warmstart", what="NAME", purpose=PURPOSE)
    return {"base": name, **parse(BY_NAME[name], words[1:], command=f"warmstart {name}")()}
