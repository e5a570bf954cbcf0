"""Do two commits train the same? `python benchmarks/unchanged_bits.py [--base b428305] [--record FILE]`

Makes a worktree of the base commit and runs short inline runs of four recipes, two seeds each, one recipe with injected
faults, once with its sources and once with the sources of this tree, on this machine, one thread each. Compares, for
every run: the weights of the saved model, the values of every row of metrics, evaluations and the event log, and the
rows of the buffer (prompt id, sample, tokens, log-probabilities, reward, version, digest), in their order. `RENAMED`
says which metrics have another name today. Exits with 1 where anything differs.

`--record` writes this tree's digests with a fingerprint of the machine, for `tests/runtime/test_unchanged_bits.py`.
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BASE = "b428305"
"""The commit before the runtimes were given one coordinator."""
RENAMED: Mapping[str, str] = {
    "replay/foreign": "replay/unknown_version",
    "search/parity_mean": "search/logp_mismatch_mean",
    "search/parity_max": "search/logp_mismatch_max",
}
"""Metric of the base commit -> its name today."""
ADDED = (
    "search/reward/",
    "search/length_",
    "search/truncated",
    "search/entropy",
    "eval/length_stopped",
    "eval/reflection",
)
"""Metrics that the base commit did not have begin so: the parts of the reward, how completions end, and the
entropy of their tokens."""
WHOLE = "state"
"""The field of events that digests whole trajectories. Today these also say what was read as the answer, so it is left
out; the rows of the buffer are compared field by field."""

SMALL = (
    "--max-steps 12 --save-steps 5 --num-prompts 3 --evaluation.every 6 --evaluation.prompts 8 "
    "--evaluation.sampled-prompts 2 --evaluation.samples 2"
)
FAULTS = (
    "--inline.faults.crash .1 --inline.faults.hang .05 --inline.faults.lose .1 --inline.faults.verifier .05 "
    "--inline.faults.corrupt .05 --inline.search-deadline 5 --restarts.limit 50 --num-searchers 2"
)
RUNS: Mapping[str, tuple[str, str]] = {
    "arithmetic": ("arithmetic", "--num-generations 4 --search-prompts 6 --replay.warmup 24"),
    "arithmetic with faults": ("arithmetic", f"--num-generations 4 --search-prompts 6 --replay.warmup 24 {FAULTS}"),
    "enumerable": ("enumerable", "--num-generations 16 --inline.publication-lag 1"),
    "preference": ("preference", "--num-generations 4 --search-prompts 6 --replay.warmup 24"),
    "red-team": ("red-team", "--num-generations 16 --evaluation.samples 16 --weight-sync-steps 2"),
}
"""Name -> recipe and flags."""
SEEDS = (0, 1)


def fingerprint() -> dict[str, str]:
    """What the last bits of a float depend on: the processor, and the packages that compute."""
    import numpy
    import torch

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    said = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    kind = [said[name] for name in ("model name", "cpu family", "model", "stepping", "cache size") if name in said]
    return {
        "processor": ", ".join(kind) or platform.processor() or platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }


def environment(source: Path) -> dict[str, str]:
    """Of a process that runs with these sources and one thread."""
    return {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}


def train(source: Path, name: str, seed: int, directory: Path) -> None:
    """One inline run with these sources."""
    recipe, flags = RUNS[name]
    words = [sys.executable, "-m", "steelyard", "train", recipe, "--runtime", "inline", "--seed", str(seed)]
    words += ["--output-dir", str(directory), *SMALL.split(), *flags.split()]
    done = subprocess.run(words, env=environment(source), cwd=directory.parent, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name}, seed {seed} with {source}: {done.stderr[-2000:]}")


def extract(run: Path) -> dict[str, Any]:
    """What is compared of a finished run. Runs under the sources that made it: they know their own formats."""
    import sqlite3

    import numpy as np
    from safetensors.numpy import load_file

    from steelyard.core import from_bytes

    weights = load_file(run / "model/model.safetensors")
    with sqlite3.connect(f"file:{run}/replay.sqlite?mode=ro", uri=True) as file:
        query = "select data from rows join bodies using (seq) where gone is null order by seq"
        stored = [from_bytes(data) for (data,) in file.execute(query)]
        ledger = [list(row) for row in file.execute("select version, digest from weights order by version")]
    rows = [
        [t.prompt_id, t.sample, t.version, t.digest, t.reward, t.tokens_T.tolist()]
        + [
            None if logp_T is None else np.asarray(logp_T).tobytes().hex()
            for logp_T in (t.logp_behaviour_T, t.logp_ref_T)
        ]
        for t in stored
    ]
    return {
        "weights": {key: _digest(weights[key].tobytes()) for key in sorted(weights)},
        "metrics": _rows(run / "metrics.jsonl"),
        "evaluations": _rows(run / "eval.jsonl"),
        "faults": _rows(run / "faults.jsonl"),
        "events": _rows(run / "events.jsonl"),
        "ledger": ledger,
        "buffer": rows,
    }


def extracted(source: Path, run: Path) -> dict[str, Any]:
    """`extract` in a process with these sources."""
    words = [sys.executable, __file__, "--extract", str(run)]
    done = subprocess.run(words, env=environment(source), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def renamed(found: Mapping[str, Any]) -> dict[str, Any]:
    """Records under the names of today, without what only one side can have."""
    rows = {
        kind: [{RENAMED.get(key, key): x for key, x in row.items() if not key.startswith(ADDED)} for row in found[kind]]
        for kind in ("metrics", "evaluations")
        if kind in found
    }
    events = [{key: value for key, value in row.items() if key != WHOLE} for row in found["events"]]
    return {**found, **rows, "events": events}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """A line for each kind of record that is not the same, with the first place where it is not."""
    lines = []
    for kind, old in before.items():
        new = after[kind]
        if old == new:
            continue
        if isinstance(old, list) and len(old) == len(new):
            place = next(i for i, (one, other) in enumerate(zip(old, new, strict=True)) if one != other)
            lines.append(f"{kind} {place}: {_difference(old[place], new[place])}")
        else:
            lines.append(f"{kind}: {len(old)} before, {len(new)} after, or other values")
    return lines


def _difference(old: Any, new: Any) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        unlike = {key: (old.get(key), new.get(key)) for key in {**old, **new} if old.get(key) != new.get(key)}
        return str(dict(list(unlike.items())[:3]))
    return f"{str(old)[:160]} != {str(new)[:160]}"


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def summary(found: Mapping[str, Any]) -> dict[str, str]:
    """A digest of each kind of record."""
    return {kind: _digest(json.dumps(value, sort_keys=True).encode()) for kind, value in found.items()}


@contextmanager
def worktree(commit: str, directory: Path) -> Iterator[Path]:
    """The sources of a commit, in a worktree that is removed afterwards."""
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "--detach", str(directory), commit], check=True, capture_output=True)
    try:
        yield directory / "src"
    finally:
        subprocess.run([*git, "remove", "--force", str(directory)], check=True, capture_output=True)


def compare(base: Path, names: Sequence[str], scratch: Path) -> tuple[int, dict[str, dict[str, str]]]:
    """Run all; returns how many differ, and this tree's digests."""
    unlike = 0
    digests: dict[str, dict[str, str]] = {}
    for name in names:
        for seed in SEEDS:
            found = []
            for tree, source in (("base", base), ("here", ROOT / "src")):
                directory = scratch / f"{name} {seed} {tree}".replace(" ", "-")
                train(source, name, seed, directory)
                found.append(renamed(extracted(source, directory)))
            lines = differences(found[0], found[1])
            digests[f"{name}, seed {seed}"] = summary(found[1])
            unlike += bool(lines)
            sizes = ", ".join(f"{len(found[1][kind])} {kind}" for kind in ("metrics", "events", "faults", "buffer"))
            print(f"{name}, seed {seed}: {'DIFFERENT' if lines else 'the same'} ({sizes})", flush=True)
            for line in lines:
                print(f"    {line}", flush=True)
    return unlike, digests


def main() -> int:
    """Print a line for each run; 1 where one differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default=BASE, help="the commit to compare with")
    parser.add_argument("--only", nargs="*", choices=list(RUNS), default=list(RUNS), help="runs to make")
    parser.add_argument("--record", type=Path, help="write this tree's digests there")
    parser.add_argument("--extract", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.extract:
        print(json.dumps(extract(asked.extract)))
        return 0
    with tempfile.TemporaryDirectory() as scratch, worktree(asked.base, Path(scratch) / "tree") as base:
        unlike, digests = compare(base, asked.only, Path(scratch))
    if asked.record and not unlike:
        record = {"fingerprint": fingerprint(), "base": asked.base, "digests": digests}
        asked.record.write_text(json.dumps(record, indent=1) + "\n")
    return 1 if unlike else 0


if __name__ == "__main__":
    sys.exit(main())
