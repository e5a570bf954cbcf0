"""`steelyard warmstart NAME`: make a base model that ships with the package again, by the same seeded training."""

from collections.abc import Sequence
from typing import Any

from steelyard.cli.flags import first, parse
from steelyard.recipes import warmstarts


def run(arguments: Sequence[str]) -> dict[str, Any]:
    """Train the base model; print its accuracy and styles."""
    name, flags = first(arguments, command="warmstart", what="NAME", known=sorted(warmstarts.BY_NAME))
    settings = parse(warmstarts.find(name), flags, command=f"warmstart {name}")
    return settings()
