"""Small runs in real processes, and the means to hurt them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from steelyard.core import encode
from steelyard.objective import VarGradTB
from steelyard.runtime import HeldOut, Local, Processes, Records, Run, describe
from steelyard.runtime.roles.driver import Driver
from steelyard.task.arithmetic import Arithmetic

T = TypeVar("T", bound=Driver)

PATIENCE = 120.0  # seconds that a test waits for anything, on a machine that others use too

SMALL = Run(
    task=Arithmetic(problems=64, held_out=16),
    objective=VarGradTB(beta=0.1),
    model="steelyard/arithmetic",
    max_steps=40,
    num_prompts=8,
    num_generations=4,
    search_prompts=8,
    max_completion_length=16,
    save_steps=5,
    local=Processes(search_deadline=3.0),
    evaluation=HeldOut(every=20, prompts=16, sampled_prompts=4, samples=2),
)
ON_RAY = replace(SMALL, runtime="ray", num_searchers=2)


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Wait for something to be true; returns it."""
    end = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {patience:.0f} s for {what}"
        time.sleep(0.02)
    return found


def rows(directory: Path, name: str) -> list[dict[str, Any]]:
    path = directory / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def gone(pid: int) -> bool:
    """True where no process of this number runs; one that nobody has waited for yet runs no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def local_run(run: Run, directory: Path, hurt: Callable[[Local], None]) -> tuple[Local, dict[str, Any]]:
    """Carry out `run` here while `hurt` does its work in a thread; a failure of either is raised."""
    return driven(Local, run, directory, hurt)


def driven(kind: type[T], run: Run, directory: Path, hurt: Callable[[T], None]) -> tuple[T, dict[str, Any]]:
    """The same, by a driver of this kind."""
    raised: list[BaseException] = []

    def carry_on() -> None:
        try:
            hurt(driver)
        except BaseException as error:  # noqa: BLE001  (raised below, in the test's own thread)
            raised.append(error)
            driver.stop.requested = signal.SIGTERM

    with Records(directory, config=describe(run, "small")) as records:
        driver = kind(run, records)
        thread = threading.Thread(target=carry_on, daemon=True)
        thread.start()
        try:
            summary = driver.train()
        finally:
            thread.join(PATIENCE)
            for error in raised:
                raise error
    return driver, summary


def send(pid: int, number: int) -> None:
    os.kill(pid, number)


def at_step(driver: Driver, step: int) -> None:
    until(lambda: driver.coordinator.steps >= step, f"step {step}")


def start_command(directory: Path, run: Run = SMALL, **changes: Any) -> "subprocess.Popen[str]":
    """`steelyard train`, but for settings that are not a recipe's: the same entry, in a process of its own."""
    code = (
        "import json, sys\n"
        "from steelyard.cli import carry_out\n"
        "from steelyard.core import decode\n"
        "from steelyard import train\n"
        "from steelyard.runtime import Run\n"
        "run = decode(json.loads(sys.argv[1]), Run)\n"
        "sys.exit(carry_out(lambda: dict(train(run, name='small').summary)))\n"
    )
    settings = json.dumps(encode(replace(run, output_dir=str(directory), **changes)))
    return subprocess.Popen([sys.executable, "-c", code, settings], stderr=subprocess.PIPE, text=True)


def resume_command(directory: Path) -> "subprocess.CompletedProcess[str]":
    """`steelyard train --resume`, to its end."""
    words = [sys.executable, "-m", "steelyard", "train", "--resume", str(directory), "--json"]
    return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)


def children_of(pid: int) -> list[int]:
    """The process ids of its children."""
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own with so much room; needs the right to mount."""
    directory.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(directory)], check=True, capture_output=True
    )
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def may_mount(directory: Path) -> bool:
    """True where this process may mount a tmpfs."""
    directory.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(directory)], capture_output=True, check=False
    )
    if done.returncode == 0:
        subprocess.run(["umount", str(directory)], check=True)
    return done.returncode == 0


SIGKILL, SIGSTOP, SIGINT, SIGTERM = signal.SIGKILL, signal.SIGSTOP, signal.SIGINT, signal.SIGTERM
