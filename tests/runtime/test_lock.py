import os
import subprocess
import sys
from pathlib import Path

import pytest

from steelyard.core import SteelyardError
from steelyard.runtime.lock import take_lock

HOLD = "import sys, time; from pathlib import Path; from steelyard.runtime.lock import take_lock; "
HOLD += "take_lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(100)"


def test_a_directory_is_locked_until_the_descriptor_is_closed(tmp_path: Path) -> None:
    held = take_lock(tmp_path)
    with pytest.raises(SteelyardError, match="is being written by another process"):
        take_lock(tmp_path)
    os.close(held)
    os.close(take_lock(tmp_path))


def test_the_lock_of_a_killed_process_is_gone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SteelyardError, match="is being written by another process"):
            take_lock(tmp_path)
        holder.kill()
    os.close(take_lock(tmp_path))


def test_children_do_not_inherit_it(tmp_path: Path) -> None:
    """A child that outlives the run must not hold the run."""
    held = take_lock(tmp_path)
    code, pipes = "print(flush=True); input()", {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], close_fds=False, **pipes) as child:
        assert child.stdout is not None
        child.stdout.readline()
        os.close(held)
        os.close(take_lock(tmp_path))
        child.communicate(b"\n", timeout=60)


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SteelyardError, match="cannot be written"):
        take_lock(tmp_path / "nowhere")
