"""Turns tyro's boxed error about a command line into a one-line `SteelyardError`."""

import re

from steelyard.core import SteelyardError

KINDS = {"INT": "a whole number", "FLOAT": "a number", "None": "None", "STR": "a text"}
"""Tyro's type name -> plain words."""


def read(box: str, command: str) -> SteelyardError:
    """The error that tyro's box describes.

    Args:
        box: tyro's text on standard error.
        command: the words after `steelyard`, for the hint that points to --help.
    """
    lines = [re.sub(r"[│╭╰╮╯─]+|-{5,}", " ", line).strip() for line in box.splitlines()]
    lines = [line for line in lines if line][1:]  # the first is the box's title
    words = " ".join(lines).partition("For full helptext")[0].strip()
    see = f"see steelyard {command} --help"
    if found := re.match(r"Unrecognized options: (.*?)(?: Perhaps you meant:|$)", words):
        return _unknown(found[1], lines, command, see)
    if found := re.match(r"Missing value for argument '(\S+)'", words):
        return SteelyardError("has no value", where=found[1], hint=f"write {found[1]} VALUE")
    if found := re.match(r"invalid choice (.*) for argument '(\S+)'. Expected one of \((.*?),?\)", words):
        choices = " or ".join(part.strip(" '") for part in found[3].split(","))
        return SteelyardError(f"is {found[1]}", where=found[2], hint=f"choose {choices}")
    if found := re.match(r"Error parsing ([^:]*): .*('[^']*'|\"[^\"]*\").* Argument helptext: --\S+,? (\S+)", words):
        kinds = [KINDS.get(kind, kind.strip("{}")) for kind in found[3].split("|")]
        return SteelyardError(f"is {found[2]}", where=found[1], hint=f"give {' or '.join(kinds)}")
    if found := re.match(r"Missing from [^:]*: (\S+)", words):
        return SteelyardError(f"{found[1]} is missing", where=command, hint=see)
    return SteelyardError(words.partition(" Argument helptext")[0], where=command, hint=see)


def _unknown(names: str, lines: list[str], command: str, see: str) -> SteelyardError:
    """The error for an unknown option or word. The value that follows it is not repeated."""
    first = names.partition(", ")[0]
    first = first.partition("=")[0] if first.startswith("--") else first
    if not first.startswith("-"):
        return SteelyardError(f"unexpected argument {first!r}", where=command, hint=f"leave it out, or {see}")
    # The line of a suggestion itself. Where its help text mentions an option, small letters follow.
    near = [found[1] for line in lines if (found := re.match(r"(--[\w.-]+)(?:$|,| [A-Z{\[])", line))]
    hint = f"did you mean {' or '.join(near[:3])}?" if near else see
    return SteelyardError(f"unknown option {first}", where=command, hint=hint)
