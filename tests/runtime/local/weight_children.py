"""Starts `weight_processes.py`, and talks with it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("weight_processes.py")


class Other:
    """One of its processes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def says(self, word: str) -> list[Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it ended with {self.process.wait(30)} before it said {word!r}"
        said, *more = json.loads(line)
        assert said == word
        return more

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go on\n")
        self.process.stdin.flush()


@contextmanager
def other(role: str, descriptor: int, where: Path | str, size: int, last: int, *held_up: int) -> Iterator[Other]:
    """One of its processes, which does not outlive the `with`."""
    words = (role, descriptor, where, size, last, *held_up)
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=(descriptor,),
    )
    with process:
        try:
            yield Other(process)
        finally:
            process.kill()
