"""`steelyard study NAME`: a measured claim, with its table and its verdict."""

from collections.abc import Sequence
from typing import Any

from steelyard.cli.flags import first, parse
from steelyard.recipes import names, studies, study


def run(arguments: Sequence[str]) -> dict[str, Any]:
    """Run the study; print its table."""
    name, flags = first(arguments, command="study", what="NAME", known=names(studies))
    found = study(name)
    return found.measure(parse(found.Study, flags, command=f"study {name}"))
