"""From process to process: weights published with their digest, and trajectories handed on.

Two real processes share memory and a pipe, as learner, searcher and supervisor of a local run do.

    publish   the learner copies its weights into shared memory, takes their digest, and shows them
    read      another process takes the newest weights out and checks them
    cross     a searcher's trajectory of 36 tokens to bytes, over the pipe, and back into a trajectory: one alone, and
              one of 64 that travel together. Both processes read the same clock.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from steelyard.core import PositiveInt, Sampling, Trajectory, Weights, checked, from_bytes, to_bytes
from steelyard.experiments.bench.measuring import seconds
from steelyard.experiments.bench.models import check_sizes, make
from steelyard.experiments.bench.record import Row
from steelyard.experiments.harness.processes import ask_module, environment, serve
from steelyard.experiments.harness.spread import spread
from steelyard.policy import Policy
from steelyard.runtime.local.pipe import receive_up, send
from steelyard.runtime.local.shared import SharedWeights, unnamed_file
from steelyard.runtime.roles.messages import FoundBytes

TITLE = "Between processes, milliseconds"
CHUNKS = (1, 64)
TIMES = 20
STEPS = 36
PROMPT = 16


@checked()
@dataclass(frozen=True)
class Publish:
    """Milliseconds of a publication and of a trajectory between processes."""

    runs: PositiveInt = 5
    """Runs of each; each is the median of 20."""
    sizes: tuple[str, ...] = ("0.2M", "10M")
    """Models whose weights are published."""

    def __post_init__(self) -> None:
        check_sizes(self.sizes)


def measure(settings: Publish, workdir: Path, say: Callable[[str], None]) -> list[Row]:
    """A row for each, with the milliseconds of every run."""
    places = {size: str(make(size, workdir / size)) for size in settings.sizes}
    rows = ask_module(__name__, {"runs": settings.runs, "places": places})
    for row in rows:
        say(f"{row['what']}: {spread(row['ms'])} ms")
    return rows


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """A line for each."""
    return ["", "ms, median [lowest, highest]"], [[row["what"], spread(row["ms"])] for row in rows]


def cell(runs: int, places: dict[str, str]) -> list[Row]:
    """All figures; this process is the learner, and then the supervisor."""
    rows = []
    for size, place in places.items():
        publications, reads = _weights(Policy.load(place), runs)
        rows.append({"what": f"publish {size} with digest", "ms": publications})
        rows.append({"what": f"read {size} and check", "ms": reads})
    for chunk in CHUNKS:
        what = "a trajectory crosses" if chunk == 1 else f"a trajectory crosses, of {chunk} together"
        rows.append({"what": what, "ms": _crossings(chunk, runs)})
    return rows


@contextmanager
def _other(role: str, *descriptors: int) -> Iterator[Connection]:
    """A second process of this module, and a pipe to it."""
    ours, theirs = Pipe()
    numbers = [theirs.fileno(), *descriptors]
    command = [sys.executable, "-m", __spec__.name, json.dumps({"role": role, "descriptors": numbers})]  # pyright: ignore[reportOptionalMemberAccess]
    with subprocess.Popen(command, pass_fds=numbers, env=environment(1)), ours:
        theirs.close()
        yield ours


def _weights(policy: Policy, runs: int) -> tuple[list[float], list[float]]:
    """Milliseconds to publish, and of the other process to read."""
    descriptor = unnamed_file()
    store = SharedWeights.create(descriptor, Weights.of(policy.weights(), 0))
    version = 0
    publications = []
    reads = []
    with _other("reader", descriptor) as pipe:
        pipe.recv_bytes()
        for _ in range(runs + 1):
            taken = []
            read = []
            for _ in range(TIMES):
                version += 1
                taken.append(1e3 * seconds(lambda v=version: _publish(store, policy, v)))
                pipe.send_bytes(b"%d" % version)
                read.append(float(pipe.recv_bytes()))
            publications.append(statistics.median(taken))
            reads.append(statistics.median(read))
        pipe.send_bytes(b"end")
    store.close()
    os.close(descriptor)
    return publications[1:], reads[1:]  # the first run warms up


def _publish(store: SharedWeights, policy: Policy, version: int) -> None:
    """As the learner of a local run does."""
    store.write(version, policy.weights)
    store.show(version)


def _crossings(chunk: int, runs: int) -> list[float]:
    """Milliseconds of one trajectory from the other process to this one."""
    found = []
    with _other("searcher") as pipe:
        pipe.recv_bytes()
        for _ in range(runs + 1):
            taken = []
            for _ in range(TIMES):
                pipe.send_bytes(b"%d" % chunk)
                message = receive_up(pipe)
                assert isinstance(message, FoundBytes)
                arrived = [from_bytes(data) for data in message.trajectories]
                taken.append(1e3 * (time.monotonic() - arrived[0].info["sent"]) / chunk)
            found.append(statistics.median(taken))
        pipe.send_bytes(b"end")
    return found[1:]


def trajectory(number: int) -> Trajectory:
    """Random, with all that a searcher hands on."""
    rng = np.random.default_rng(number)
    logp_T = rng.standard_normal(STEPS, dtype=np.float32)
    return Trajectory(
        f"prompt-{number}",
        rng.integers(0, 64, STEPS, dtype=np.int32),
        np.arange(STEPS) >= PROMPT,
        logp_T,
        1,
        "0123456789abcdef",
        Sampling(),
        "stop",
        sample=number,
        logp_ref_T=logp_T,
        reward=1.0,
        info={"completion": "8+2-6=10-6=4"},
    )


def other(role: str, descriptors: list[int]) -> None:
    """Be the other process, until told to end."""
    pipe = Connection(descriptors[0])
    store = SharedWeights.attach(descriptors[1]) if role == "reader" else None
    pipe.send_bytes(b"ready")
    while (asked := pipe.recv_bytes()) != b"end":
        if store is None:
            made = [trajectory(i) for i in range(int(asked))]
            sent = time.monotonic()
            send(pipe, FoundBytes([to_bytes(t.replace(info={**t.info, "sent": sent})) for t in made]))
        else:
            pipe.send_bytes(repr(1e3 * seconds(store.read)).encode())


if __name__ == "__main__":
    if sys.argv[1:]:
        other(**json.loads(sys.argv[1]))
    else:
        serve(cell)
