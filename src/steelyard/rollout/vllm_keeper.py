"""Runs a command, and ends it together with all that it started when whoever started the keeper is gone.

    python -I vllm_keeper.py DESCRIPTOR DIRECTORY COMMAND...

The descriptor is an end of a socket pair; the other end closes when its owner ends it or dies, however it dies. The
command has a session of its own. First it is asked to end (SIGTERM), so that it can give back shared memory; what is
left of its process group a little later is killed. The directory is removed in the end. The exit code is the command's.

Run by its path: it imports nothing of the package, so that it is there at once and small.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time

GRACE_S = 5.0
"""Seconds that the command has to end by itself."""


def main(descriptor: int, directory: str, command: list[str]) -> int:
    """Run the command for as long as the descriptor's other end is open; returns its exit code."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, cwd=directory)
    try:
        ended = os.pidfd_open(process.pid)
        select.select([descriptor, ended], [], [])  # its length is its owner's: no deadline belongs here
    finally:
        code = end(process)
        shutil.rmtree(directory, ignore_errors=True)
    return code if code >= 0 else 128 - code  # as a shell says it


def end(process: "subprocess.Popen[bytes]") -> int:
    """End the process and its group: ask, wait, kill; returns the exit code."""
    _signal(process.pid, signal.SIGTERM)
    until = time.monotonic() + GRACE_S
    while time.monotonic() < until and (process.poll() is None or _signal(process.pid, 0)):
        time.sleep(0.05)
    _signal(process.pid, signal.SIGKILL)
    return process.wait()


def _signal(group: int, number: int) -> bool:
    """Signal the group; False where nobody is left in it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
        return True
    return False


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
