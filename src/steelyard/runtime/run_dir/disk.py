"""Writing so that it stays written, and what the disk says against it in one line."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steelyard.core import FaultError, SteelyardError

_HINTS = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room in the quota",
    errno.EROFS: "take a disk that can be written to",
    errno.EACCES: "allow this user to write there",
    errno.EPERM: "allow this user to write there",
}


@contextmanager
def writing(path: Path, kind: type[SteelyardError] = FaultError) -> Iterator[None]:
    """Turn an operating system's error inside the `with` into a line that names `path`.

    Args:
        path: what is written.
        kind: the error to raise: a run that has begun fails (`FaultError`), one that has not was asked wrongly.

    Raises:
        SteelyardError: of that kind.
    """
    try:
        yield
    except OSError as error:
        hint = _HINTS.get(error.errno or 0, "look at the disk")
        raise kind(f"cannot be written ({error.strerror or error})", where=str(path), hint=hint) from error


@contextmanager
def reading(path: Path, hint: str) -> Iterator[None]:
    """Turn an operating system's error inside the `with` into a line that names `path`.

    Raises:
        SteelyardError: there was one.
    """
    try:
        yield
    except OSError as error:
        raise SteelyardError(f"cannot be read ({error.strerror or error})", where=str(path), hint=hint) from error


def sync(path: Path) -> None:
    """Wait until a file, or the names in a directory, would outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append(descriptor: int, data: bytes) -> None:
    """Add `data` to the end of a file that is open for appending; if the disk does not take all, nothing is added."""
    end = os.fstat(descriptor).st_size
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        os.ftruncate(descriptor, end)
        raise


def put(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: whoever opens `path` finds the old contents or the new."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        sync(part)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
