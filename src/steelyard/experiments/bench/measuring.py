"""How times are taken: works in turn, so that a slow minute of the machine hits all of them, and the middle of many."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def interleaved(works: Mapping[str, Callable[[], T]], runs: int) -> dict[str, list[T]]:
    """Each work once to warm up, then A B C A B C ... for `runs` rounds; name -> what each run returned."""
    for work in works.values():
        work()
    found: dict[str, list[T]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            found[name].append(work())
    return found


def seconds(work: Callable[[], object]) -> float:
    """What the work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Round by round: what was measured one after the other is compared, not the best of one with the worst of all."""
    return [a / b for a, b in zip(above, below, strict=True)]


def processor_use(process: int) -> tuple[str, float]:
    """The name of a process, and the seconds of the processor that it has used, by itself and for the system."""
    name, _, rest = Path(f"/proc/{process}/stat").read_text().rpartition(")")
    return name.partition("(")[2], sum(map(int, rest.split()[11:13])) / os.sysconf("SC_CLK_TCK")


def resident_mib(name: str = "VmRSS") -> float:
    """Memory of this process now; as `VmHWM`, the most since `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def forget_peak() -> None:
    """Let `resident_mib("VmHWM")` begin anew."""
    Path("/proc/self/clear_refs").write_text("5")
