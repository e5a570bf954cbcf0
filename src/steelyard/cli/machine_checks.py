"""What a run needs of the machine, looked at: Python, packages, cores, memory, GPUs, and places to write to.

It imports torch only to try it, and nothing that needs torch.
"""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from steelyard import __version__
from steelyard.cli import installed

OLDEST_PYTHON = (3, 11)
OUTPUT = "runs"
"""Where runs go unless --output-dir says otherwise."""
_DRIVER = Path("/proc/driver/nvidia/version")
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    found: str
    """What is there."""
    mend: str = ""
    """How to put it right; empty where nothing is wrong."""
    needed: bool = True
    """Whether no run can do without it."""

    @property
    def ok(self) -> bool:
        """Whether nothing is to be mended."""
        return not self.mend


def checks() -> list[Check]:
    """All of them, in the order in which they are read."""
    made: Sequence[Callable[[], Check]] = (_package, _python, _packages, _torch, _cores, _memory, _gpus)
    return [*(check() for check in made), _place("temporary files", Path(tempfile.gettempdir()), "TMPDIR"),
            _place("output", Path(OUTPUT).absolute(), "--output-dir")]  # fmt: skip


def _package() -> Check:
    tree = installed.source_tree()
    return Check("steelyard", f"{__version__}, {f'source tree {tree}' if tree else Path(__file__).parents[1]}")


def _python() -> Check:
    least = ".".join(map(str, OLDEST_PYTHON))
    mend = "" if sys.version_info >= OLDEST_PYTHON else f"install Python {least} or later"
    return Check("python", f"{platform.python_version()}, {sys.executable}", mend)


def _packages() -> Check:
    lacking = installed.lacking()
    number = len(installed.packages()[""])
    found = "; ".join(map(str, lacking)) or f"all {number} that are always needed"
    return Check("packages", found, installed.mend() if lacking else "")


def _torch() -> Check:
    try:
        import torch
    except (ImportError, OSError) as error:
        first = str(error).partition("\n")[0]
        return Check("torch", f"cannot be imported: {first}", "pip install --force-reinstall torch")
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
    return Check("torch", f"{torch.__version__}, {build}, {torch.get_num_threads()} threads")


def _cores() -> Check:
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Check("cores", f"{here} of {os.cpu_count()}")


def _memory() -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    file = Path("/proc/meminfo")
    lines = file.read_text().splitlines() if file.exists() else []
    free = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    texts = [Path(limit).read_text().strip() for limit in _LIMITS if Path(limit).is_file()]
    limits = [int(text) for text in texts if text.isdecimal() and int(text) < total]
    said = [f"{_gb(total)} in all", *(f"{_gb(f)} free" for f in free), *(f"at most {_gb(v)} here" for v in limits)]
    return Check("memory", ", ".join(said))


def _gpus() -> Check:
    torch = sys.modules.get("torch")
    number = torch.cuda.device_count() if torch is not None and torch.cuda.is_available() else 0
    if torch is not None and number:
        known = map(torch.cuda.get_device_properties, range(number))
        return Check("GPUs", ", ".join(f"cuda:{i} {p.name} {_gb(p.total_memory)}" for i, p in enumerate(known)))
    if not _DRIVER.is_file():
        return Check("GPUs", "none, and none is needed")
    mend = "pip install --force-reinstall torch, from the index for your CUDA at https://pytorch.org"
    return Check("GPUs", "there is a driver, but torch sees no GPU", mend, needed=False)


def _place(name: str, place: Path, setting: str) -> Check:
    """Whether files can be made in a directory, or in the one that it would be made in."""
    there = next(path for path in (place, *place.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        how = f"export {setting}=DIR" if setting.isupper() else f"give {setting} DIR"
        return Check(name, f"{place} cannot be written ({error.strerror})", f"{how}, with a directory that can be")
    return Check(name, f"{place}, {_gb(shutil.disk_usage(there).free)} free")


def _gb(number: int) -> str:
    return f"{number / 2**30:.1f} GiB"
