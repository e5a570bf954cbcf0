"""The one exception that a user is meant to read."""

import difflib
from collections.abc import Iterable


class SteelyardError(Exception):
    """A mistake outside the program: said in one line, exit code 2, no traceback.

    Args:
        what: what is wrong.
        where: the setting, file or record that is wrong.
        hint: what to do about it.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str, hint: str) -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(" ".join(f"{where}: {what}; {hint}".split()))


class FaultError(SteelyardError):
    """A run that was rightly begun could not go on: a process died, data was damaged, a disk filled up. Exit code 1."""

    exit_code = 1


class StallError(FaultError):
    """A wait ran past its deadline. `where` names who waits for whom."""


class Stopped(SteelyardError):  # noqa: N818  (not an error: it was asked for)
    """A run ended early because it was asked to, and can be resumed. Exit code 128 + the signal's number."""

    def __init__(self, what: str, *, where: str, hint: str, signal: int) -> None:
        super().__init__(what, where=where, hint=hint)
        self.exit_code = 128 + signal


def suggest(name: str, known: Iterable[str]) -> str:
    """The mending half of an unknown-name error: the nearest known names, or all of them.

    >>> suggest("dr-grop", ["dr-grpo", "ucb1"])
    "did you mean 'dr-grpo'?"
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3)
    if near:
        return f"did you mean {' or '.join(repr(n) for n in near)}?"
    return f"choose one of {', '.join(known) or '(none is registered)'}"


def first_line(error: Exception) -> str:
    """What an exception of a library says, as part of a message of one line."""
    return str(error).partition("\n")[0]


def require(condition: bool, what: str, *, where: str, hint: str) -> None:
    """Raise `SteelyardError` unless `condition` holds: the way settings check their ranges."""
    if not condition:
        raise SteelyardError(what, where=where, hint=hint)
