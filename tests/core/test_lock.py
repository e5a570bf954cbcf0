import fcntl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from steelyard.core import SteelyardError
from steelyard.core.lock import Lock

HOLD = "import sys, time; from pathlib import Path; from steelyard.core.lock import Lock; "
HOLD += "lock = Lock(Path(sys.argv[1]), Path('it')); print('held', flush=True); time.sleep(100)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "it.lock"


def test_a_second_holder_is_refused_until_the_first_releases(path: Path) -> None:
    first = Lock(path, Path("it"))
    with pytest.raises(SteelyardError, match="it: is being written by another process; wait until it ends"):
        Lock(path, Path("it"))
    first.release()
    first.release()
    Lock(path, Path("it")).release()


def test_the_lock_of_a_killed_process_is_gone(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SteelyardError, match="is being written by another process"):
            Lock(path, Path("it"))
        holder.kill()
    Lock(path, Path("it")).release()


def test_children_do_not_inherit_it(path: Path) -> None:
    """A child that outlives its parent must not hold what the parent wrote."""
    held = Lock(path, Path("it"))
    code, pipes = "print(flush=True); input()", {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], close_fds=False, **pipes) as child:
        assert child.stdout is not None
        child.stdout.readline()
        held.release()
        Lock(path, Path("it")).release()
        child.communicate(b"\n", timeout=60)


def test_a_directory_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(SteelyardError, match="cannot be written"):
        Lock(tmp_path / "nowhere" / "it.lock", Path("it"))


def test_a_look_at_the_lock_does_not_refuse_its_next_holder(path: Path) -> None:
    """`is_held` has the lock for a moment; it may fall into the moment at which a run takes it."""
    path.touch()
    looking = path.open()
    fcntl.flock(looking, fcntl.LOCK_SH)
    look = threading.Thread(target=lambda: (time.sleep(0.05), looking.close()))
    look.start()
    Lock(path, Path("it")).release()
    look.join()
