"""The flag --stop: strings that end a completion, one for each time that it is given."""

import json
from collections.abc import Sequence
from typing import Annotated

import tyro

from steelyard.cli.flags import take_lists
from steelyard.core import require
from steelyard.task.base import StopStrings

STOP = "--stop"
_HELP = (
    r"A string that ends a completion, for example --stop '\nQuestion:'; given several times, the first that comes."
    "\n"
    r"By default those of the run. \n, \t and \\ are a line break, a tab and a backslash."
)
AskedStops = Annotated[StopStrings, tyro.conf.arg(help=_HELP)]
"""The strings that a command on a run is given; None for those of the run."""


def gather_stops(words: Sequence[str]) -> list[str]:
    r"""The words with every `--stop STR` as one `--stop=LIST`, which is how `StopStrings` are read.

    Raises:
        SteelyardError: one has no value.
    """
    found, rest = take_lists(words, STOP)
    hint = r"write --stop '\nQuestion:', or --stop=STR where it begins with hyphens"
    for values in found:
        require(bool(values) and all(values), "has no value", where=STOP, hint=hint)
    return [*rest, f"{STOP}={json.dumps([value for values in found for value in values])}"] if found else rest
