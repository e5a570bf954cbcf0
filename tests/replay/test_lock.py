import subprocess
import sys

import pytest

from steelyard.core import SteelyardError
from steelyard.replay.lock import Lock

OTHER = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); input()"


def test_a_second_holder_is_refused_until_the_first_releases(path):
    first = Lock(path)
    with pytest.raises(SteelyardError, match=r"replay.sqlite: is open in another process; stop that process"):
        Lock(path)
    first.release()
    first.release()
    Lock(path).release()


def test_the_death_of_a_process_releases(path):
    Lock(path).release()
    command = [sys.executable, "-c", OTHER, f"{path}.lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(SteelyardError, match="open in another process"):
            Lock(path)
        other.kill()
        other.wait()
    Lock(path).release()


def test_a_directory_that_is_missing_is_said(tmp_path):
    with pytest.raises(SteelyardError, match="cannot be written"):
        Lock(tmp_path / "none" / "replay.sqlite")
