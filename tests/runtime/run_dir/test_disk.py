import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from steelyard.core import FaultError, SteelyardError
from steelyard.runtime.run_dir.disk import append, put, reading, sync, writing


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file of this process can grow beyond `size` bytes: writes come up short, as on a disk that fills up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_append_adds_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(b"1234")
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    append(descriptor, b"567\n")
    with room(10), pytest.raises(OSError, match="too large"):
        append(descriptor, b"abcdef")
    assert path.read_bytes() == b"1234567\n", "the two bytes that had room are taken back"
    append(descriptor, b"")
    append(descriptor, b"8")
    os.close(descriptor)
    assert path.read_bytes() == b"1234567\n8"


def test_put_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    put(path, b"old")
    with room(2), pytest.raises(OSError, match="too large"):
        put(path, b"newer")
    assert path.read_bytes() == b"old"
    put(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_sync_takes_files_and_directories(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sync(tmp_path / "file")
    sync(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (errno.ENOSPC, "make room on the disk"),
        (errno.EDQUOT, "make room in the quota"),
        (errno.EROFS, "take a disk that can be written to"),
        (errno.EACCES, "allow this user to write there"),
        (errno.EIO, "look at the disk"),
    ],
)
def test_what_the_disk_says_is_one_line(code: int, hint: str) -> None:
    with pytest.raises(FaultError) as found, writing(Path("/run/x")):
        raise OSError(code, os.strerror(code))
    assert str(found.value) == f"/run/x: cannot be written ({os.strerror(code)}); {hint}"
    with pytest.raises(SteelyardError) as found, writing(Path("/run/x"), SteelyardError):
        raise OSError(code, os.strerror(code))
    assert found.value.exit_code == 2
    with pytest.raises(SteelyardError) as found, reading(Path("/run/x"), "restore it"):
        raise OSError(code, os.strerror(code))
    assert str(found.value) == f"/run/x: cannot be read ({os.strerror(code)}); restore it"


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), writing(tmp_path):
        raise ValueError("mine")
