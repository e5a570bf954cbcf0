"""The work of `bench watch`: a made-up run with a full buffer, a page that is served, and what a browser asks of it."""

import http.client
import json
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from steelyard.core import FaultError, Sampling, Trajectory
from steelyard.core.json import JsonObject
from steelyard.experiments.bench.measuring import processor_use, seconds
from steelyard.experiments.harness.processes import environment
from steelyard.replay import PrioritizedReplay

MODEL = "steelyard/arithmetic"
"""Whose tokenizer decodes: a token for each character."""
PROMPT = 20
OF_PROMPT = 10
_DIGITS = (2, 12)
"""Token ids of the digits, the last one not among them."""
_CALL = 256
_DEADLINE = 120.0


def make_run(directory: Path, rows: int, tokens: int) -> Path:
    """A run directory whose buffer holds so many trajectories of so many tokens, ten of a prompt."""
    fill(made_up(directory), rows, tokens)
    return directory


def made_up(directory: Path) -> Path:
    """A run directory without a buffer."""
    directory.mkdir(parents=True)
    settings = {"model": MODEL, "objective": {"method": "vargrad-tb", "beta": 0.05}}
    (directory / "config.json").write_text(json.dumps({"recipe": "made-up", "seed": 0, "run": settings}))
    metrics = [{"step": step, "version": step, "learner/loss": 1 / step} for step in range(1, 1001)]
    (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics))
    return directory


def fill(run: Path, rows: int, tokens: int) -> list[float]:
    """Give a run its buffer of so many trajectories; returns the seconds of each, call by call of `add`."""
    buffer = PrioritizedReplay().open(seed=0, path=run / "replay.sqlite")
    taken: list[float] = []
    for first in range(0, rows, _CALL):
        version = first // _CALL
        made = [_trajectory(i, tokens, version) for i in range(first, min(first + _CALL, rows))]
        taken.append(seconds(lambda m=made, v=version: buffer.add(m, version=v)) / len(made))
    buffer.close()
    return taken


def _trajectory(number: int, tokens: int, version: int) -> Trajectory:
    asked, rng = np.random.default_rng(number // OF_PROMPT), np.random.default_rng((1, number))
    tokens_T = np.concatenate([asked.integers(*_DIGITS, PROMPT), rng.integers(*_DIGITS, tokens - PROMPT)])
    return Trajectory(
        f"{number // OF_PROMPT:016x}",
        tokens_T.astype(np.int32),
        np.arange(tokens) >= PROMPT,
        -rng.random(tokens, dtype=np.float32),
        version,
        "0123456789abcdef",
        Sampling(),
        "stop",
        sample=number % OF_PROMPT,
        logp_ref_T=-rng.random(tokens, dtype=np.float32),
        reward=float(rng.random()),
    )


class Client:
    """Asks a served page, over one connection.

    Args:
        address: as `steelyard watch` prints it.
        process: the id of the one that serves it.
    """

    def __init__(self, address: str, process: int) -> None:
        self.process = process
        found = urllib.parse.urlsplit(address)
        self._path = found.path
        self._connection = http.client.HTTPConnection(found.netloc, timeout=_DEADLINE)

    def ask(self, path: str, **query: object) -> JsonObject:
        """The answer.

        Raises:
            FaultError: it is none.
        """
        self._connection.request("GET", f"{self._path}api/{path}?{urllib.parse.urlencode(query)}")
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise FaultError(f"{path} is answered by {answer.status}", where="steelyard watch", hint=str(text[:200]))
        return json.loads(text)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


@contextmanager
def served(run: Path) -> Iterator[Client]:
    """A page of the run in a process of its own, and a client of it.

    Raises:
        FaultError: the page does not begin.
    """
    words = [sys.executable, "-m", "steelyard", "watch", str(run)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment(1)) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("watch: "):
                raise FaultError("the page did not begin", where=str(run), hint="run steelyard watch alone to see more")
            client = Client(line.removeprefix("watch: ").strip(), process.pid)
            yield client
            client.close()
        finally:
            process.terminate()


@dataclass
class Looked:
    """A page that is looked at."""

    seen: threading.Event = field(default_factory=threading.Event)
    """Set once curves and buffer have both been answered."""
    process: int = 0
    """The id of the one that serves the page, from then on."""


@contextmanager
def open_page(run: Path) -> Iterator[Looked]:
    """A page of the run that is looked at all the time, as a browser with the curves and one with the buffer open
    do."""
    page, done = Looked(), threading.Event()
    problems: list[BaseException] = []

    def look() -> None:
        try:
            with served(run) as client:
                page.process = client.process
                _look(client, page.seen, done)
        except FaultError as error:
            problems.append(error)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield page
    finally:
        done.set()
        thread.join(_DEADLINE)
    for problem in problems:
        raise problem


def _look(client: Client, seen: threading.Event, done: threading.Event) -> None:
    """Ask for curves and buffer whenever the page says that they are due."""
    key = ""
    due = {"curves": 0.0, "buffer": 0.0}
    while not done.is_set():
        for name in [name for name, at in due.items() if at <= time.monotonic()]:
            answer = client.ask("curves", seen=key) if name == "curves" else client.ask("runs/0/buffer")
            key = answer.get("key", key)
            due[name] = time.monotonic() + answer["again_s"]
        seen.set()
        done.wait(0.05)


def train(recipe: str, steps: int, place: Path, looked_at: bool) -> tuple[float, float]:
    """An inline run, with its page open or alone.

    Returns:
        The seconds of the last three quarters of its steps, and what the page used of the processor meanwhile.

    Raises:
        FaultError: it ends early or does not end, or the page was not there before the first quarter was done.
    """
    words = ["-m", "steelyard", "train", recipe, "--runtime", "inline", "--max-steps", str(steps), "--save-steps", "0"]
    command = [sys.executable, *words, "--output-dir", str(place)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(1)) as process:
        try:
            if not looked_at:
                return _timed(process, place, steps, None)
            _until(process, lambda: _lines(place / "metrics.jsonl") > 0)
            with open_page(place) as page:
                return _timed(process, place, steps, page)
        finally:
            process.terminate()


def _timed(process: subprocess.Popen[bytes], place: Path, steps: int, page: Looked | None) -> tuple[float, float]:
    metrics = place / "metrics.jsonl"
    _until(process, lambda: _lines(metrics) >= steps // 4)
    began = time.perf_counter()
    if page and not page.seen.is_set():
        raise FaultError("the page came too late", where="bench watch", hint="raise --steps")
    _, before_s = processor_use(page.process) if page else ("", 0.0)
    _until(process, lambda: _lines(metrics) >= steps)
    took = time.perf_counter() - began
    _, after_s = processor_use(page.process) if page else ("", 0.0)
    return took, after_s - before_s


def _until(process: subprocess.Popen[bytes], holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30 * _DEADLINE
    while not holds():
        if process.poll() is not None or time.monotonic() > end:
            what = f"it did not come to its end, exit code {process.poll()}"
            raise FaultError(what, where="train", hint="run it alone to see more")
        time.sleep(0.02)


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
