"""The flag --stop: strings that end a completion, one for each time that it is given."""

import json
from collections.abc import Sequence
from typing import Annotated

import tyro

from steelyard.cli.flags import take_flags
from steelyard.core import require
from steelyard.task.base import StopStrings

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
    found, rest = take_flags(words, "--stop".__eq__)
    for _, value in found:
        joined = f"--stop={value}" in words
        hint = r"write --stop '\nQuestion:', or --stop=STR where it begins with hyphens"
        require(bool(value) and (joined or not value.startswith("--")), "has no value", where="--stop", hint=hint)
    return [*rest, f"--stop={json.dumps([value for _, value in found])}"] if found else rest
