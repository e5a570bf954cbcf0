"""Killable workers: a few child processes that run one named function, each call under a deadline.

The parent keeps the clock. A worker that is late is killed with all the processes it started, and the next job starts
a fresh one; a job whose worker was late or died gets an error for an answer. Workers start with the first job and
leave with `close`, with the pool, or with the parent; none outlives them.

This is no sandbox: a worker has the rights of its user. It holds in bounds what goes wrong, not what means harm.
"""

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, TypeVar

from msgspec import Meta

from steelyard.core import FaultError, SteelyardError
from steelyard.core.waiting import waiting
from steelyard.reward import worker
from steelyard.reward.worker import GarbledError, Job, Reply, Start

C = TypeVar("C", bound="Closable")
Memory = Annotated[int, Meta(ge=64)]
"""Megabytes that a child process may allocate."""

_NAME = "name it as module:function or path/to/file.py:function, and see that it can be called as documented"
_DECLARE = "declare it as f(prompts, completions, **columns), and return plain numbers"
_AS_TEXT = "leave the column out, or write it as text"
START_S = 120.0
"""How long a worker may take to start and import its function (seconds)."""


class Closable:
    """Something that may hold child processes: ended by `close`, or by leaving a `with` block."""

    def close(self) -> None:
        """End the child processes held; a later use starts new ones."""
        raise NotImplementedError

    def __enter__(self: C) -> C:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Worker:
    """The near side of one child process."""

    def __init__(self) -> None:
        self.pipe, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as unless_started:
            unless_started.callback(self.pipe.close)
            number = theirs.fileno()
            self.process = subprocess.Popen(
                [sys.executable, "-P", worker.__file__, str(number)],
                pass_fds=[number],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a verifier prints must not mix with a command's own output
                start_new_session=True,  # a group of its own, to be killed whole; and Ctrl-C stays with the parent
                # one thread each; hashes as in every other process, because some data sets depend on them
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"},
            )
            unless_started.pop_all()

    def ask(self, message: bytes, timeout_s: float) -> Reply:
        """Send an encoded message and wait for its reply; one that is late or lost ends the process and is an error."""
        deadline = time.monotonic() + timeout_s
        try:
            worker.send(self.pipe, message, deadline)
            reply = worker.receive(self.pipe, Reply, deadline)
            if reply.spent:
                self.end()
            return reply
        except TimeoutError:
            self.end()
            return Reply(error=f"no answer within {timeout_s:g} s: its process was killed")
        except GarbledError as error:
            self.end()
            return Reply(error=f"its answer cannot be read ({error}): its process was killed")
        except (OSError, EOFError):
            code = self.end()
            how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
            return Reply(error=f"its process died with {how}")
        except BaseException:  # an interrupt: its reply must not be taken for the next job's
            self.end()
            raise

    @property
    def ended(self) -> bool:
        return self.process.returncode is not None

    def end(self) -> int:
        """Kill the process and those it started; returns its exit code."""
        if not self.ended:
            # before `wait`: until then the number cannot have passed to another group
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.pipe.close()
        return self.process.returncode


def unsendable(arguments: Mapping[str, object]) -> str:
    """The first argument that cannot be sent, and which entry where it is a list: "column 'when', row 3 of ..."."""
    for name, value in arguments.items():
        rows = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for row, item in rows:
            try:
                worker.encode(Job({name: item}, 0.0))
            except (TypeError, OverflowError, RecursionError):
                return f"column {name!r}" + ("" if row is None else f", row {row} of the batch ({item!r:.60})")
    return "one of its arguments"


def _end_all(workers: set[_Worker]) -> None:
    while workers:
        workers.pop().end()


class Pool(Closable):
    """At most `num_workers` child processes that run `target`. Calls may come from several threads.

    Args:
        target: `module:function` or `path/to/file.py:function`; arguments and results are plain data (as JSON).
        num_workers: child processes, at most.
        memory_mb: what each may allocate (MB), where the system can limit it.
        candid: packages that may not take a lack of memory or stack for an answer (see `import_hook.py`).
    """

    def __init__(self, target: str, *, num_workers: int = 1, memory_mb: int = 4096, candid: Sequence[str] = ()) -> None:
        self.target = target
        self.num_workers = num_workers
        self.memory_mb = memory_mb
        self.candid = list(candid)
        self._proven = False
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(num_workers):
            self._idle.put(None)
        self._workers: set[_Worker] = set()
        self._finalizer = weakref.finalize(self, _end_all, self._workers)

    def map(self, jobs: Sequence[Mapping[str, object]], *, timeout_s: float) -> list[Reply]:
        """One reply for each job (keyword arguments), in order; `timeout_s` (seconds) is each job's own."""
        if not jobs:
            return []
        with ThreadPoolExecutor(min(self.num_workers, len(jobs))) as threads:
            return list(threads.map(lambda job: self.call(job, timeout_s=timeout_s), jobs))

    def call(
        self, arguments: Mapping[str, object], *, timeout_s: float, offered: Mapping[str, object] = MappingProxyType({})
    ) -> Reply:
        """The reply to one job; its `error` tells of a time-out, a death, or what the function raised.

        Args:
            arguments: plain data.
            timeout_s: deadline (seconds).
            offered: further arguments, for a function that has parameters of these names.

        Raises:
            SteelyardError: the function cannot be loaded or called so, or its arguments or result are not plain data.
            FaultError: the system starts no more processes.
        """
        try:
            job = worker.encode(Job(dict(arguments), timeout_s, dict(offered)))
        except UnicodeEncodeError as error:  # half a character, in this one text
            return Reply(error=worker.describe(error))
        except (TypeError, OverflowError, RecursionError) as error:
            raise self._mistaken(f"{unsendable(arguments)} is not plain data: {error}", _AS_TEXT) from error
        with waiting(f"waiting for {self.target}", ends=True):
            return self._asked(job, timeout_s)

    def _asked(self, job: bytes, timeout_s: float) -> Reply:
        held = self._idle.get()
        try:
            if held is None or held.ended:
                held = self._start()
            reply = held.ask(job, timeout_s)
            if held.ended:
                self._workers.discard(held)
        finally:
            self._idle.put(held)
        if reply.mistake:
            raise self._mistaken(reply.mistake, reply.hint or _DECLARE)
        return reply

    def close(self) -> None:
        """End the workers; a job under way gets an error."""
        _end_all(self._workers)

    def _start(self) -> _Worker:
        """A fresh worker; one that dies where others started before is returned all the same, and fails its job."""
        try:
            fresh = _Worker()
        except OSError as error:
            hint = "look at memory, and at the limit of processes and open files"
            raise FaultError(
                f"cannot be started ({error.strerror})", where="a verifier's process", hint=hint
            ) from error
        self._workers.add(fresh)
        # the working directory last, so that a file there hides nothing that is installed
        here = str(Path.cwd())
        path = [*(p or here for p in sys.path), here]
        reply = fresh.ask(worker.encode(Start(path, self.target, self.memory_mb, self.candid)), START_S)
        if problem := reply.mistake or (None if self._proven else reply.error):
            self._workers.discard(fresh)
            fresh.end()
            raise self._mistaken(problem)
        self._proven = True
        return fresh

    def _mistaken(self, what: str, hint: str = _NAME) -> SteelyardError:
        return SteelyardError(what, where=f"function {self.target!r}", hint=hint)
