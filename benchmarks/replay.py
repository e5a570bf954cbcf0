"""How fast the replay buffer stores and draws, and what it costs in time and memory to open.

    python benchmarks/replay.py [--sizes 1000 100000 1000000] [--json]

For each size N, two fresh processes. The first stores N random trajectories of 64 steps, 100 of a prompt, in calls of
64, and closes the file. The second opens it and makes draws of 32 prompts x 8 trajectories. Resident memory is that of
the whole second process with torch imported, before and after the draws. The files lie below `--directory`, on a disk
and not in memory, and are removed. The file was just written, so the system's page cache is warm.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STEPS, PROMPT, CALL = 64, 100, 64
PROMPTS, GENERATIONS, DRAWS = 32, 8, 500
COLUMNS = {
    "size": "trajectories",
    "adds_per_s": "adds/s",
    "draw_ms_median": "draw ms",
    "draw_ms_p99": "p99 ms",
    "draws_per_s": "draws/s",
    "open_s": "open s",
    "resident_mib": "resident MiB",
    "resident_import_mib": "of it imports",
    "file_bytes": "bytes each",
}


def fill(path: Path, size: int) -> dict[str, float]:
    """Store `size` trajectories; the time of making them up is not counted."""
    from steelyard.replay import Prioritised

    buffer, taken = Prioritised().open(seed=0, path=path), 0.0
    for first in range(0, size, CALL):
        arrivals = [trajectory(i) for i in range(first, min(first + CALL, size))]
        start = time.perf_counter()
        buffer.add(arrivals, version=version_of(first))
        taken += time.perf_counter() - start
    buffer.close()
    os.sync()  # so that the draws do not wait for a disk that is still writing
    return {"adds_per_s": size / taken, "file_bytes": path.stat().st_size / size}


def version_of(number: int) -> int:
    """The learner makes a version for each 256 trajectories."""
    return number // 256


def trajectory(number: int) -> Any:
    """The n-th random trajectory: 20 prompt tokens, 44 sampled ones, both log-probabilities."""
    import numpy as np

    from steelyard.core import Sampling, Trajectory

    rng = np.random.default_rng(number)
    return Trajectory(
        f"prompt-{number // PROMPT}",
        rng.integers(0, 50_000, STEPS, dtype=np.int32),
        np.arange(STEPS) >= 20,
        rng.standard_normal(STEPS, dtype=np.float32),
        version_of(number),
        "0123456789abcdef",
        Sampling(),
        "stop",
        sample=number % PROMPT,
        logp_ref_T=rng.standard_normal(STEPS, dtype=np.float32),
        reward=float(rng.random()),
    )


def draw(path: Path, size: int) -> dict[str, float]:
    """Open the file and draw from it."""
    import numpy as np
    import torch  # noqa: F401  (every process that trains has it)

    from steelyard.replay import ReplayBuffer

    imports = resident_mib()
    open_s, buffer = timed(lambda: ReplayBuffer.open(path))
    times_ms = [
        1e3 * timed(lambda d=d: buffer.sample(PROMPTS, GENERATIONS, version=version_of(size), draw=d))[0]
        for d in range(DRAWS)
    ]
    median, p99 = np.percentile(times_ms, [50, 99])
    return {
        "open_s": open_s,
        "draw_ms_median": float(median),
        "draw_ms_p99": float(p99),
        "draws_per_s": 1e3 * DRAWS / sum(times_ms),
        "resident_mib": resident_mib(),
        "resident_import_mib": imports,
    }


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what the work gave."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def resident_mib() -> float:
    """Memory of this process now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def measure(size: int, directory: Path) -> dict[str, float]:
    """Both processes of one size."""
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        path = Path(folder) / "replay.sqlite"
        return {"size": size} | in_process("fill", path, size) | in_process("draw", path, size)


def in_process(part: str, path: Path, size: int) -> dict[str, float]:
    """Run `fill` or `draw` in a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--file", str(path), "--sizes", str(size)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def show(row: dict[str, float]) -> None:
    """One line of the table."""
    print("  ".join(f"{number(row[key]):>{len(title)}}" for key, title in COLUMNS.items()), flush=True)


def number(value: float) -> str:
    """Three digits, or the whole number."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000, 1_000_000], help="trajectories stored")
    parser.add_argument("--directory", type=Path, default=Path("runs"), help="where files may be made for the while")
    parser.add_argument("--json", action="store_true", help="end with all figures as one line of JSON")
    parser.add_argument("--part", choices=["fill", "draw"], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps({"fill": fill, "draw": draw}[arguments.part](arguments.file, arguments.sizes[0])))
        return
    arguments.directory.mkdir(parents=True, exist_ok=True)
    print("  ".join(COLUMNS.values()))
    rows = []
    for size in arguments.sizes:
        rows.append(measure(size, arguments.directory))
        show(rows[-1])
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
