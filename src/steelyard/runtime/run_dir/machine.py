"""The machine that figures come from, in a line."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def machine(packages: tuple[str, ...] = ("torch", "transformers")) -> str:
    """Processor, cores, Python, the versions of packages that are installed, and the GPU, if there is one."""
    said = [_processor(), f"{os.cpu_count()} cores", f"Python {platform.python_version()}"]
    for name in packages:
        try:
            said.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join([*said, *_gpus()])


def _gpus() -> list[str]:
    """The GPU, where this process has looked for one."""
    torch = sys.modules.get("torch")
    return [torch.cuda.get_device_name(0)] if torch is not None and torch.cuda.is_available() else []


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
