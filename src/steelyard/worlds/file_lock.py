"""One process at a time: a lock that is free again when its holder ends, however it ends."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOOK_EVERY = 0.1
"""Seconds between two attempts."""


@contextmanager
def held(file: Path, wait: float = 0.0) -> Iterator[bool]:
    """True inside the `with` where this process holds the lock, False where another still has it after `wait` seconds.

    Args:
        file: what is locked; made where it is not there, and left there.
        wait: seconds.
    """
    deadline = time.monotonic() + wait
    with file.open("a") as opened:
        mine = _taken(opened.fileno())
        while not mine and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
            mine = _taken(opened.fileno())
        yield mine


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
