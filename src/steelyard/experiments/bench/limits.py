"""What the machine can do: float32 matrix products and copies, on one thread.

Products of 2048 x 2048 matrices, which nothing here beats, and those of the models' own shapes: rows (a batch of 64 or
256 that decodes one token) times an inner layer. A copy of 256 MiB says what the memory gives, in bytes read and
written. One process, one thread, every product or copy in turn; several repeats make one run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.core import PositiveInt, checked
from steelyard.experiments.bench.measuring import interleaved, seconds
from steelyard.experiments.bench.models import SIZES
from steelyard.experiments.bench.record import Row
from steelyard.experiments.harness.processes import ask_module, serve
from steelyard.experiments.harness.spread import spread

TITLE = "The limits of one thread"
SQUARE = 2048
BATCHES = (64, 256)
COPIED = 2**28
_LEAST_FLOP = 2e8  # in one run: so much that the clock's own time does not count


@checked()
@dataclass(frozen=True)
class Limits:
    """Matrix products and copies on one thread."""

    runs: PositiveInt = 5
    """Runs of each."""


def measure(settings: Limits, workdir: Path, say: Callable[[str], None]) -> list[Row]:
    """A row for each product and copy, with its figures."""
    del workdir
    rows = ask_module(__name__, {"runs": settings.runs})
    for row in rows:
        say(f"{row['what']}: {spread(row['values'])} {row['unit']}")
    return rows


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """One line for each."""
    return ["", "median [lowest, highest]", ""], [[r["what"], spread(r["values"]), r["unit"]] for r in rows]


def gflops(rows: int, inner: int, columns: int, repeats: int | None = None) -> float:
    """Of one product, in float32; `repeats` by default as many as take a few milliseconds."""
    import torch

    a = torch.randn(rows, inner)
    b = torch.randn(columns, inner)
    flop = 2 * rows * inner * columns
    times = repeats or max(1, int(_LEAST_FLOP / flop))
    out = torch.empty(rows, columns)
    return times * flop / 1e9 / seconds(lambda: [torch.mm(a, b.T, out=out) for _ in range(times)])


def copy_gb_per_s() -> float:
    """Bytes read and written by a copy that no cache holds."""
    import torch

    source = torch.ones(COPIED, dtype=torch.uint8)
    target = torch.zeros_like(source)
    return 2 * COPIED / 1e9 / seconds(lambda: target.copy_(source))


def cell(runs: int) -> list[Row]:
    """All of them, in this process."""
    shapes = {f"{SQUARE} x {SQUARE} x {SQUARE}": (SQUARE, SQUARE, SQUARE)}
    shapes |= {
        f"{batch} x {size.hidden} x {size.inner} ({name}, batch {batch})": (batch, size.hidden, size.inner)
        for batch in BATCHES
        for name, size in SIZES.items()
    }
    works: dict[str, Callable[[], float]] = {what: lambda s=shape: gflops(*s) for what, shape in shapes.items()}
    copy = f"copy of {COPIED // 2**20} MiB"
    found = interleaved({**works, copy: copy_gb_per_s}, runs)
    return [{"what": w, "values": v, "unit": "GB/s" if w == copy else "GFLOP/s"} for w, v in found.items()]


if __name__ == "__main__":
    serve(cell)
