"""One process writes a run. The lock is the kernel's (flock), so it ends with the process, however that ends."""

import fcntl
import os
from pathlib import Path

from steelyard.core import SteelyardError
from steelyard.runtime.disk import writing

LOCK = ".lock"


def take_lock(directory: Path) -> int:
    """Lock a run directory; returns the descriptor that holds the lock until it is closed.

    Raises:
        SteelyardError: another process holds it, or the directory cannot be written to.
    """
    with writing(directory, SteelyardError):
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            what, mend = "is being written by another process", "wait for it, or stop it"
            raise SteelyardError(what, where=str(directory), mend=mend) from error
        except OSError:
            os.close(descriptor)
            raise
    return descriptor
