"""One child process: started as `python -m`, spoken to over a pipe, and never left behind."""

import os
import signal
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from steelyard.runtime.local.pipe import send
from steelyard.runtime.roles.messages import Down, End, Role
from steelyard.runtime.roles.supervision import WorkerSpec


@dataclass(eq=False)
class Child:
    """One process and its pipe."""

    role: Role
    name: str
    process: subprocess.Popen[bytes]
    pipe: Connection
    blocked: bool = False
    """It did not take a message in time."""

    @property
    def label(self) -> str:
        """Its name and process id."""
        return f"{self.name} (pid {self.pid})"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

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

    def end(self) -> None:
        """Ask it to end."""
        self.tell(End())

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


def spawn(role: Role, name: str, spec: WorkerSpec, shared: tuple[int, int]) -> Child:
    """Start a child process and tell it its role; `shared` are the descriptors of weights and references."""
    ours, theirs = Pipe()
    threads = spec.run.local.threads
    descriptors = (theirs.fileno(), *shared)
    process = subprocess.Popen(
        [sys.executable, "-m", "steelyard.runtime.local.entry", *map(str, descriptors)],
        pass_fds=descriptors,
        stdin=subprocess.DEVNULL,
        # A child's standard output must not mix with the one JSON object that --json promises. By number: in a
        # notebook sys.stderr is no file.
        stdout=2,
        env={**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"},
    )
    theirs.close()
    _bound(ours, min(spec.run.local.deadline, spec.run.local.search_deadline))
    child = Child(role, name, process, ours)
    child.tell(spec.build(role))
    return child


def _bound(pipe: Connection, seconds: float) -> None:
    """Let no read or write of half a message wait longer than this: a child may freeze in the middle of one.

    The limit is the socket's own; a wait that exceeds it is a `BlockingIOError`.
    """
    limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    with socket.socket(fileno=os.dup(pipe.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
