"""Measurements in processes of their own: JSON in, JSON out, a deadline, and results that are kept.

A process gets its settings as JSON on standard input and prints its result as JSON in the last line of standard output.
It has one compute thread unless told otherwise, and no network. Where it fails, its last line on standard error is the
message. Proofs, studies and benchmarks all start their processes here.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from steelyard.core import FaultError, SteelyardError
from steelyard.runtime import to_json
from steelyard.runtime.run_dir.disk import put, writing

Jobs = Annotated[int, Meta(ge=0, description="1 or more, or 0 for one per core")]
T = TypeVar("T")
R = TypeVar("R")
DEADLINE = 1800.0
"""Seconds that a process may take."""
_RUNNING: set[subprocess.Popen[str]] = set()
"""The processes that wait for an answer: an interrupt ends them."""
ALONE = "run it alone to see more"
QUIETER = "run it on a quieter machine"


def environment(threads: int) -> dict[str, str]:
    """The environment of a process that measures: so many compute threads, no network."""
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def ask(
    label: str,
    command: Sequence[str],
    settings: object,
    *,
    threads: int = 1,
    deadline: float = DEADLINE,
    hints: tuple[str, str] = (ALONE, QUIETER),
    hear: Callable[[str], None] = lambda line: None,
    also: Mapping[str, str] | None = None,
) -> Any:
    """Start a process, give it its settings, and return its result.

    Args:
        label: names it in messages.
        command: the process.
        settings: JSON for its standard input.
        threads: its compute threads.
        deadline: seconds that it may take; then it is killed.
        hints: what the user can do where it fails, and where it is late.
        hear: called with each line that it writes on standard error, as it comes.
        also: variables of its environment besides.

    Raises:
        SteelyardError: it failed; the message is its last line.
        FaultError: it did not end in time, or ended without a result.
    """
    # Files, not pipes, for all but its messages: neither side can then wait for the other to read.
    with tempfile.TemporaryFile("w+") as asked, tempfile.TemporaryFile("w+") as answer:
        asked.write(to_json(settings))
        asked.seek(0)
        process = subprocess.Popen(
            command,
            stdin=asked,
            stdout=answer,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(threads) | dict(also or {}),
        )
        code, last = _heard(process, deadline, hear)
        if code is None:
            raise FaultError(f"has not ended within {deadline:.0f} s", where=label, hint=hints[1])
        if code != 0:
            raise SteelyardError(last, where=label, hint=hints[0])
        return _last_line(answer, label)


def _heard(process: subprocess.Popen[str], deadline: float, hear: Callable[[str], None]) -> tuple[int | None, str]:
    """How a process ended, None where it was killed at its deadline; and the last line that it wrote as a message."""
    late = threading.Event()
    last = "no message"
    _RUNNING.add(process)
    with process:
        assert process.stderr is not None
        timer = threading.Timer(deadline, lambda: (late.set(), process.kill()))
        timer.start()
        try:
            for line in process.stderr:
                last = line.strip() or last
                hear(line.strip())
            code = process.wait()
        finally:
            timer.cancel()
            process.kill()
            _RUNNING.discard(process)
    return None if late.is_set() else code, last


def _last_line(answer: IO[str], label: str) -> Any:
    answer.seek(0)
    lines = answer.read().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        raise FaultError("ended without a result", where=label, hint=ALONE) from error


def ask_module(module: str, settings: Mapping[str, object], *, threads: int = 1, deadline: float = DEADLINE) -> Any:
    """The result of `python -m module`, which calls `serve`."""
    label = module.rpartition(".")[2]
    return ask(label, [sys.executable, "-m", module], settings, threads=threads, deadline=deadline)


def serve(work: Callable[..., object]) -> None:
    """Be the process that `ask` started: call `work` with the settings as keywords, and print its result."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    try:
        print(to_json(work(**json.load(sys.stdin))))
    except SteelyardError as error:
        sys.exit(str(error))


def side_by_side(work: Callable[[T], R], items: Sequence[T], jobs: int) -> list[R]:
    """The result of each item, in order, `jobs` at a time; where one fails, those that have not begun do not begin,
    and an interrupt ends the processes of those that have.

    Args:
        work: what is done with an item; it waits for a process, so threads suffice.
        items: what is worked on.
        jobs: at a time; 0 for one per core.
    """
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        waiting = [pool.submit(work, item) for item in items]
        try:
            return [each.result() for each in waiting]
        except BaseException as error:  # an interrupt too
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, KeyboardInterrupt):
                _end_all()
            raise


def _end_all() -> None:
    """End the processes that were started here: whoever interrupts does not wait for their results."""
    for process in [*_RUNNING]:
        process.kill()


def keep(file: Path, result: object) -> None:
    """Write a result as JSON, whole or not at all; makes the directory.

    Raises:
        SteelyardError: the disk does not take it.
    """
    with writing(file, SteelyardError):
        file.parent.mkdir(parents=True, exist_ok=True)
        plain = result if isinstance(result, Mapping) else msgspec.to_builtins(result)
        put(file, to_json(plain, indent=1).encode() + b"\n")


def kept(file: Path, kind: type[T], hint: str = "take it away, to measure it again") -> T:
    """The result in a file.

    Raises:
        SteelyardError: there is none, or it is damaged.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SteelyardError("is damaged", where=str(file), hint=hint) from error


def measured_once(
    file: Path, kind: type[T], measure: Callable[[], T], *, fits: Callable[[T], bool] = lambda result: True
) -> T:
    """The result in a file where one that fits is there, else a new one, which is kept: what was cut short goes on.

    Raises:
        SteelyardError: what is there is damaged; or as `measure`.
    """
    if file.exists() and fits(found := kept(file, kind)):
        return found
    result = measure()
    keep(file, result)
    return result
