"""One writer: an advisory lock on a file of its own; the kernel gives it back when a process ends, however it ends."""

import fcntl
import os
import time
import weakref
from pathlib import Path

from steelyard.core.errors import SteelyardError

_TRIES = 11
_PAUSE_S = 0.02


def is_held(path: Path) -> bool:
    """True while somebody holds the lock of this file; nothing is changed or made."""
    if not path.exists():
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _take(descriptor: int) -> None:
    """Lock it; whoever only looks with `is_held` has it for a moment, which is waited for."""
    for left in reversed(range(_TRIES)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if not left:
                raise
            time.sleep(_PAUSE_S)


class Lock:
    """The right to write something, held until `release`.

    Args:
        path: the lock's own file, made if absent. Never the file that is written: to close a second descriptor of a
            SQLite database would drop the locks that SQLite itself holds on it.
        what: that which is locked, for the message.

    Raises:
        SteelyardError: another process, or another object of this one, holds it; or the file cannot be made.
    """

    def __init__(self, path: Path, what: Path) -> None:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            hint = "choose a directory that can be written"
            raise SteelyardError(f"cannot be written ({error.strerror})", where=str(path), hint=hint) from error
        self._release = weakref.finalize(self, os.close, descriptor)
        try:
            _take(descriptor)
        except OSError as error:
            self.release()
            hint = "wait until it ends, or stop it"
            raise SteelyardError("is being written by another process", where=str(what), hint=hint) from error

    def release(self) -> None:
        """Let the next writer in. Doing it twice does nothing."""
        self._release()
