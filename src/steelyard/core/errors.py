"""The one exception that a user is meant to read."""

import difflib
from collections.abc import Iterable


class SteelyardError(Exception):
    """A mistake outside the program: said in one line, exit code 2, no traceback.

    Args:
        what: what is wrong.
        where: the setting, file or record that is wrong.
        mend: what to do about it.
    """

    def __init__(self, what: str, *, where: str, mend: str) -> None:
        self.what, self.where, self.mend = what, where, mend
        super().__init__(" ".join(f"{where}: {what}; {mend}".split()))


class StallError(SteelyardError):
    """A wait ran past its deadline. `where` names who waits for whom."""


def suggest(name: str, known: Iterable[str]) -> str:
    """The mending half of an unknown-name error: the nearest known names, or all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3)
    if near:
        return f"did you mean {' or '.join(repr(n) for n in near)}?"
    return f"choose one of {', '.join(known) or '(none is registered)'}"


def require(condition: bool, what: str, *, where: str, mend: str) -> None:
    """Raise `SteelyardError` unless `condition` holds: the way settings check their ranges."""
    if not condition:
        raise SteelyardError(what, where=where, mend=mend)
