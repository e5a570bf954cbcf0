"""What this process waits for just now, for whoever asks why it is silent.

A wait that has a deadline of its own ends by itself, so nobody else needs to lose patience over it.
"""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Wait:
    """One wait."""

    what: str
    """Completes the sentence "searcher 0 is ..."."""
    since: float
    """When it began (seconds of the monotonic clock)."""
    ends: bool
    """It has a deadline of its own."""


_lock = threading.Lock()
_numbers = itertools.count()
_open: dict[int, Wait] = {}
_last_end = 0.0


@contextmanager
def waiting(what: str, *, ends: bool = False) -> Iterator[None]:
    """Say so for as long as the block takes.

    Args:
        what: such as "scoring 64 completions with reward 'f'".
        ends: the wait has a deadline of its own.
    """
    number = next(_numbers)
    with _lock:
        _open[number] = Wait(what, time.monotonic(), ends)
    try:
        yield
    finally:
        _end(number)


def _end(number: int) -> None:
    global _last_end
    with _lock:
        if _open.pop(number).ends:
            _last_end = time.monotonic()


def waits() -> list[Wait]:
    """The waits of this process, the oldest first."""
    with _lock:
        return list(_open.values())


def without_deadline_s(now: float) -> float:
    """For how many seconds the oldest wait has gone on without one in it that ends by itself; 0 without any wait."""
    found = waits()
    if not found or any(wait.ends for wait in found):
        return 0.0
    return now - max(found[0].since, _last_end)
