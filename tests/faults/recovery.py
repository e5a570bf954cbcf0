"""A searcher is killed in the middle of a run on Ray: how soon is the rate back, and do the books hold?

    PYTHONPATH=tests python tests/faults/recovery.py --seconds 330

Searchers wait a second after each batch, so that the rate is theirs and not that of a busy machine. The rate of the ten
seconds up to a moment is compared with the mean rate from the 60th second to the kill.
"""

import argparse
import json
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from faults.harm import ON_RAY, rows, send, until
from steelyard.core import encode, from_bytes
from steelyard.runtime import Processes
from steelyard.task.arithmetic import Arithmetic

WINDOW = 10.0
SETTLED = 60.0
RUN = replace(
    ON_RAY,
    task=Arithmetic(problems=4096, held_out=16),
    max_steps=10**6,
    search_delay=1.0,
    learning_rate=1e-9,
    local=Processes(),
)


def begin(root: Path) -> "subprocess.Popen[bytes]":
    """The run, in a process that acknowledges what was stored."""
    settings = encode(replace(RUN, output_dir=str(root / "run")))
    words = [sys.executable, str(Path(__file__).with_name("acked.py")), str(root / "run"), str(root / "acks")]
    return subprocess.Popen([*words, json.dumps(settings)], stderr=subprocess.DEVNULL)


def searchers(pid: int) -> list[int]:
    """Process ids of the searchers below a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            name = Path(f"/proc/{child}/cmdline").read_bytes()
            found += [child] if name.startswith(b"ray::Searcher") else searchers(child)
    return found


def arrivals(acks: Path, seen: list[tuple[float, int]]) -> None:
    """Note how many trajectories are stored by now."""
    seen.append((time.monotonic(), acks.read_bytes().count(b"\n") if acks.exists() else 0))


def rate(seen: list[tuple[float, int]], since: float, until: float) -> float:
    """Stored trajectories a second between two moments."""
    inside = [(at, number) for at, number in seen if since <= at <= until]
    (first, before), (last, after) = inside[0], inside[-1]
    return (after - before) / (last - first)


def watch(root: Path, seconds: float) -> str:
    """Kill one in the middle; returns a line of figures."""
    process = begin(root)
    seen: list[tuple[float, int]] = []
    until(lambda: rows(root / "run", "timing") or process.poll() is not None, "the first step", 300)
    began = time.monotonic()
    killed: float | None = None
    while (now := time.monotonic()) < began + seconds:
        assert process.poll() is None, "the run has ended"
        arrivals(root / "acks", seen)
        if killed is None and now > began + seconds / 2:
            send(searchers(process.pid)[0], signal.SIGKILL)
            killed = now
        time.sleep(0.2)
    assert killed is not None
    send(process.pid, signal.SIGTERM)
    process.wait(120)
    usual = rate(seen, began + SETTLED, killed)
    later = [at for at, _ in seen if at > killed + WINDOW]
    lowest = min(rate(seen, at - WINDOW, at) for at, _ in seen if at > killed)
    back = next((at - killed for at in later if rate(seen, at - WINDOW, at) >= 0.95 * usual), None)
    after = rate(seen, killed + 30, seen[-1][0])
    return (
        f"{usual:.1f} stored a second before, {lowest:.1f} in the lowest ten seconds after the kill; ten seconds at "
        f"95 % or more have ended {'never' if back is None else f'{back:.1f} s'} after it; {after:.1f} from 30 s on"
    )


def books(root: Path) -> str:
    """What was acknowledged against what is stored; returns a line of figures."""
    with sqlite3.connect(f"file:{root}/run/replay.sqlite?mode=ro", uri=True) as file:
        joined = "rows join prompts on prompts.id = rows.prompt join bodies using (seq)"
        stored = [(p, s, from_bytes(d)) for p, s, d in file.execute(f"select name, sample, data from {joined}")]
    pairs = Counter((prompt, sample) for prompt, sample, _ in stored)
    tokens = {(prompt, tuple(t.tokens_T.tolist())) for prompt, _, t in stored}
    acked = [json.loads(line) for line in (root / "acks").read_text().splitlines()]
    lost = [p for p, s, sequence in acked if (p, s) not in pairs and (p, tuple(sequence)) not in tokens]
    twice = len(acked) - len({(p, s) for p, s, _ in acked}) + sum(n - 1 for n in pairs.values())
    faults = [f"{row['who']} {row['why']}" for row in rows(root / "run", "faults")]
    return f"{len(acked)} acknowledged, {len(stored)} stored, {len(lost)} lost, {twice} twice; faults: {faults}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=330.0, help="of the run; the kill is in its middle")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        print(watch(Path(place), asked.seconds), flush=True)
        print(books(Path(place)))


if __name__ == "__main__":
    main()
