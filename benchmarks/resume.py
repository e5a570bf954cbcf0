"""Does a killed and resumed local run get as far? `python benchmarks/resume.py [--seeds 3]`

For each seed two runs of `arithmetic`, one after the other: an undisturbed one, and one whose every process is killed
(`kill -9`) near a third and two thirds of its steps and resumed each time. Greedy held-out accuracy after the last.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEADLINE = 600.0


def start(*words: str) -> "subprocess.Popen[bytes]":
    """A run in a process group of its own, so that all of it can be killed."""
    command = [sys.executable, "-m", "steelyard", "train", *words]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)


def steps_of(run: Path) -> int:
    """Steps on record."""
    path = run / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def run_killed_at(root: Path, seed: int, kills: list[int]) -> tuple[float, float]:
    """Accuracy after the last step, and seconds of training on record, of a run killed at these steps."""
    run = root / f"{seed}-{len(kills)}"
    process = start("arithmetic", "--seed", str(seed), "--output-dir", str(run), "--save-steps", "10")
    for step in kills:
        until = time.monotonic() + DEADLINE
        while steps_of(run) < step:
            assert process.poll() is None and time.monotonic() < until, "the run ended before it could be killed"
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process = start("--resume", str(run))
    assert process.wait(DEADLINE) == 0
    result = json.loads((run / "result.json").read_text())
    return result["accuracy_after"], result["seconds"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    found: dict[str, list[float]] = {"undisturbed": [], "killed twice": []}
    with tempfile.TemporaryDirectory() as root:
        for seed in seeds:
            for (name, accuracies), kills in zip(found.items(), ([], [35, 70]), strict=True):
                accuracy, seconds = run_killed_at(Path(root), seed, kills)
                accuracies.append(accuracy)
                print(f"seed {seed}  {name:<12}  accuracy {accuracy:.3f}  {seconds:.0f} s", flush=True)
    for name, accuracies in found.items():
        print(f"{name:<12}  median {statistics.median(accuracies):.3f} [{min(accuracies):.3f}, {max(accuracies):.3f}]")


if __name__ == "__main__":
    main()
