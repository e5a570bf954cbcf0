"""python killed_runs.py RECIPE RUN_DIR MOMENT...: makes a run in child processes and kills all of them but the last.

Every child is forked from this process, which has imported everything and computed nothing, goes on from the newest
whole checkpoint, and gets SIGKILL at its MOMENT: after so many seconds (0.4), when the log has so many events (17), or,
by its own hand, before a step of its first checkpoint (seal, rotate). The last child is left in peace.
"""

import os
import signal
import sys
import time
from pathlib import Path

from simulated import RECIPES, resume, train

from steelyard.runtime.run_dir import checkpoint

PEACE = "in peace"


def kill_before(step: str) -> None:
    """This process dies when it comes to a step of a checkpoint."""
    setattr(checkpoint, step, lambda *_: os.kill(os.getpid(), signal.SIGKILL))


def run(recipe: str, directory: Path, moment: str) -> None:
    if moment.isalpha():
        kill_before(moment)
    (resume if directory.exists() else train)(RECIPES[recipe], directory)


def wait_for(moment: str, log: Path, child: int) -> None:
    """Return at the moment, or when the child has ended."""
    until = time.monotonic() + (float(moment) if "." in moment else 60.0)
    events = int(moment) if moment.isdigit() else sys.maxsize
    while time.monotonic() < until and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if log.exists() and log.read_bytes().count(b"\n") >= events:
            return
        time.sleep(0.001)


def attempt(recipe: str, directory: Path, moment: str) -> int:
    """A child that runs until its moment; returns how it ended."""
    child = os.fork()
    if not child:
        run(recipe, directory, moment)
        os._exit(0)
    wait_for(moment, directory / "events.jsonl", child)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    name, where, *moments = sys.argv[1:]
    for moment in (*moments, PEACE):
        print(f"{moment}: {attempt(name, Path(where), moment)}", flush=True)
