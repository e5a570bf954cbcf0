"""No space, and no permission. Root may do nearly everything, so these are places that refuse even root."""

import shutil
import subprocess
from pathlib import Path

import pytest

from cli.wrong.entry import Harm, Wrong
from cli.wrong.world import NEW


def disk(*things: str, size: str = "2m", options: str = "", full: bool = False) -> Harm:
    """`disk` is a file system of its own that holds copies of these things, and takes no more."""

    def do(world: Path) -> None:
        place = world / "disk"
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("this user may not mount a file system")
        for thing in things:
            shutil.copytree(world / thing, place / thing)
        if full:
            fill(place / "filler")
        if options:
            subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True, capture_output=True)

    return do


def fill(path: Path) -> None:
    """Write until there is no room for a single byte."""
    with path.open("wb", buffering=0) as file:
        for size in (65536, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue


def unmount(world: Path) -> None:
    """Take `disk` away, where it was made."""
    if (world / "disk").is_mount():
        subprocess.run(["umount", "--lazy", str(world / "disk")], check=True)


FULL = disk("run", "stopped", full=True)
READ_ONLY = disk("run", "stopped", options="ro")

NO_SPACE = [
    Wrong(f"{NEW} --output-dir disk/new", "disk/new/config.json: cannot be written (No space left on device)",
          FULL),
    Wrong("train --resume disk/stopped", "disk/stopped/replay.sqlite: cannot be opened (disk I/O error)", FULL),
    Wrong("replay run --export disk/new.parquet", "disk/new.parquet: cannot be written (Error writing bytes", FULL),
    Wrong("replay disk/run --load out.parquet", "disk/run/replay.sqlite: cannot be opened (disk I/O error)", FULL),
    Wrong("build-base enumerable --output-dir disk/base", "disk/base: cannot be written (No space left", FULL),
    Wrong("report disk/run", "cannot be written (No space left on device)", FULL),
]  # fmt: skip

NO_PERMISSION = [
    Wrong(f"{NEW} --output-dir /proc/steelyard", "/proc/steelyard: cannot be written (No such file or directory)"),
    Wrong(f"{NEW} --output-dir /dev/null/steelyard", "cannot be made in /dev/null; choose another"),
    Wrong("build-base enumerable --output-dir /proc/steelyard", "/proc/steelyard: cannot be written"),
    Wrong("replay run --export /proc/steelyard.parquet", "/proc/steelyard.parquet: cannot be written"),
    Wrong(f"{NEW} --output-dir disk/new", "disk/new: cannot be made in", READ_ONLY),
    Wrong("train --resume disk/stopped", "cannot be written (Read-only file system)", READ_ONLY, shell=True),
    Wrong("replay run --export disk/new.parquet", "disk/new.parquet: cannot be written", READ_ONLY),
    Wrong("replay disk/run --load out.parquet", "replay.sqlite.lock: cannot be written (Read-only", READ_ONLY),
    Wrong("build-base enumerable --output-dir disk/base", "disk/base: cannot be made in", READ_ONLY),
    Wrong("report disk/run", "cannot be written (Read-only file system)", READ_ONLY),
]  # fmt: skip

KINDS = {"no space": NO_SPACE, "no permission": NO_PERMISSION}
