"""One child process: started as `python -m`, spoken to over a pipe, and never left behind."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from steelyard.core import encode
from steelyard.runtime.local.messages import Down, Role, Start, Stop, send
from steelyard.runtime.run import Run

Items = list[tuple[int, int]]
"""(prompt, sample) pairs to draw."""


@dataclass(frozen=True)
class Plan:
    """What every child of a run is told at its start."""

    run: Run
    weights: int
    references: int
    scores: bool
    version: int
    """Of the first weights."""
    checkpoint: Path | None
    """Where the learner takes its state from."""


@dataclass(eq=False)
class Child:
    """One process, its pipe, its name in messages, and what it has been given to do."""

    role: Role
    name: str
    process: subprocess.Popen[bytes]
    pipe: Connection
    heard: float
    """When it last said something, or was given something to do after it had nothing."""
    ready: bool = False
    stopping: bool = False
    blocked: bool = False
    """It did not take a message in time."""
    work: deque[Items] = field(default_factory=deque)
    """Batches assigned and not yet done, oldest first; a pair goes when its trajectory arrives."""

    @property
    def label(self) -> str:
        """Its name and process id."""
        return f"{self.name} (pid {self.process.pid})"

    def tell(self, message: Down) -> None:
        """Send a message. One that is gone is not told; its death is noticed where its pipe is read."""
        if self.pipe.closed:
            return
        try:
            send(self.pipe, message)
        except BlockingIOError:
            self.blocked = True
            self.kill()
        except (BrokenPipeError, ConnectionResetError):
            return

    def stop(self) -> None:
        """Ask it to end."""
        self.stopping = True
        self.tell(Stop())

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()

    def reap(self, grace: float) -> None:
        """Wait `grace` seconds for it to end; kill it where it does not."""
        self.pipe.close()
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def busy(self) -> bool:
        """It owes something."""
        return any(self.work)

    def undone(self) -> Items:
        """What it was given and has not delivered."""
        return [pair for batch in self.work for pair in batch]

    def delivered(self, pairs: set[tuple[int, int]]) -> None:
        """Strike what has arrived off its list."""
        for i, batch in enumerate(self.work):
            self.work[i] = [pair for pair in batch if pair not in pairs]

    def why_gone(self) -> str:
        """How it ended, for a message; call it when its pipe has closed."""
        if self.blocked:
            return "took no message"
        try:
            code = self.process.wait(1.0)  # the exit status follows the closing of the pipe
        except subprocess.TimeoutExpired:
            return "closed its pipe"
        if code >= 0:
            return f"ended with exit code {code}"
        hint = " (out of memory?)" if -code == signal.SIGKILL else ""
        return f"was killed by signal {-code}{hint}"


def spawn(role: Role, name: str, plan: Plan) -> Child:
    """Start a child process and tell it its role."""
    ours, theirs = Pipe()
    threads = plan.run.local.threads
    process = subprocess.Popen(
        [sys.executable, "-m", "steelyard.runtime.local.entry", str(theirs.fileno())],
        pass_fds=(theirs.fileno(), plan.weights, plan.references),
        stdin=subprocess.DEVNULL,
        # A child's standard output must not mix with the one JSON object that --json promises. By number: in a
        # notebook sys.stderr is no file.
        stdout=2,
        env={**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"},
    )
    theirs.close()
    _bound(ours, min(plan.run.local.deadline, plan.run.local.search_deadline))
    child = Child(role, name, process, ours, heard=time.monotonic())
    checkpoint = None if plan.checkpoint is None or role != "learner" else str(plan.checkpoint)
    settings = json.dumps(encode(plan.run)).encode()
    child.tell(
        Start(role, settings, plan.weights, plan.references, plan.scores, threads, plan.version, checkpoint),
    )
    return child


def _bound(pipe: Connection, seconds: float) -> None:
    """Let no read or write of half a message wait longer than this: a child may freeze in the middle of one.

    The limit is the socket's own; a wait that exceeds it is a `BlockingIOError`.
    """
    limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    with socket.socket(fileno=os.dup(pipe.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
