"""Each measurement in a process of its own: settings as JSON on standard input, figures as JSON on standard output.

A process has one compute thread unless it is told otherwise, no network, and ends with this one's patience.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from steelyard.core import FaultError, SteelyardError

_DEADLINE = 1800.0


def environment(threads: int) -> dict[str, str]:
    """What a process that measures is started with."""
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def ask(label: str, command: Sequence[str], asked: Any, *, threads: int = 1, deadline: float = _DEADLINE) -> Any:
    """What a process answers in its last line.

    Args:
        label: names it in messages.
        command: the process.
        asked: JSON for its standard input.
        threads: compute threads.
        deadline: seconds that it may take.

    Raises:
        SteelyardError: it failed; the message is its last line.
        FaultError: it did not come to its end.
    """
    try:
        done = subprocess.run(
            command,
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=deadline,
            check=False,
            env=environment(threads),
        )
    except subprocess.TimeoutExpired as error:
        what = f"has not ended within {deadline:.0f} s"
        raise FaultError(what, where=label, hint="measure on a machine that does nothing else") from error
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise SteelyardError(last[0], where=label, hint="run it alone to see more")
    return json.loads(done.stdout.splitlines()[-1])


def ask_module(module: str, asked: Any, *, threads: int = 1) -> Any:
    """What `python -m module`, which calls `serve`, answers."""
    return ask(
        module.rpartition(".")[2], [sys.executable, "-m", module], {"threads": threads, **asked}, threads=threads
    )


def serve(work: Callable[..., Any]) -> None:
    """Be the process that `ask_module` asks: call `work` with what was asked, and print what it returns."""
    import torch

    asked = json.load(sys.stdin)
    torch.set_num_threads(asked.pop("threads"))
    print(json.dumps(work(**asked)))
