"""One writer: an advisory lock on a file of its own beside the database; the kernel gives it back when a process dies.

Not on the database itself: closing any second descriptor of that file would drop the locks that SQLite holds there.
"""

import fcntl
import os
import weakref
from pathlib import Path

from steelyard.core import SteelyardError


class Lock:
    """The right to write `database`, held until `release`.

    Raises:
        SteelyardError: another process, or another object of this one, holds it; or the directory cannot be written.
    """

    def __init__(self, database: Path) -> None:
        path = database.with_name(f"{database.name}.lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise SteelyardError(
                f"cannot be written ({error.strerror})", where=str(path), mend="choose a directory that can be written"
            ) from error
        self._release = weakref.finalize(self, os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.release()
            raise SteelyardError(
                "is open in another process", where=str(database), mend="stop that process, or wait until it ends"
            ) from error

    def release(self) -> None:
        """Let the next writer in. Doing it twice does nothing."""
        self._release()
