"""Child processes: started as `python -m`, spoken to over a pipe, and never left behind."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Literal

from steelyard.core import SteelyardError, encode
from steelyard.runtime.messages import Start, Stop, send
from steelyard.runtime.run import Run

Role = Literal["searcher", "learner", "evaluator"]
_GRACE = 10.0


@dataclass
class Child:
    """One process, its pipe, and its name in messages."""

    role: Role
    name: str
    process: subprocess.Popen[bytes]
    pipe: Connection
    stopping: bool = False

    def stop(self, *, save: str | None = None) -> None:
        """Ask it to end. A child that is already gone has no pipe to ask over."""
        self.stopping = True
        try:
            send(self.pipe, Stop(save))
        except (BrokenPipeError, ConnectionResetError):
            return

    def reap(self) -> None:
        """Wait for it to end; kill it where it does not."""
        self.pipe.close()
        try:
            self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(_GRACE)


def spawn(role: Role, name: str, run: Run, *, weights: int, references: int, scores: bool) -> Child:
    """Start a child process and tell it its role."""
    ours, theirs = Pipe()
    environment = {**os.environ, "OMP_NUM_THREADS": str(run.local.threads), "TOKENIZERS_PARALLELISM": "false"}
    process = subprocess.Popen(
        [sys.executable, "-m", "steelyard.runtime.worker", str(theirs.fileno())],
        pass_fds=(theirs.fileno(), weights, references),
        stdin=subprocess.DEVNULL,
        # A child's standard output must not mix with the one JSON object that --json promises. By number: in a
        # notebook sys.stderr is no file.
        stdout=2,
        env=environment,
    )
    theirs.close()
    settings = json.dumps(encode(run)).encode()
    send(ours, Start(role, settings, weights, references, scores, run.local.threads))
    return Child(role, name, process, ours)


def dead(child: Child) -> SteelyardError:
    """The error that names a child which ended without a word."""
    time.sleep(0.05)  # the exit status follows the closing of the pipe
    code = child.process.poll()
    how = (
        "closed its pipe"
        if code is None
        else f"was killed by signal {-code}"
        if code < 0
        else f"ended with exit code {code}"
    )
    return SteelyardError(
        f"{how} while the run was going",
        where=f"{child.name} (pid {child.process.pid})",
        mend="look above for its last words, and at memory",
    )
