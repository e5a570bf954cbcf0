"""One wrong input, and the ways to harm the small world that it is given to (see `world.py`)."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard.runtime.run_dir import checkpoint

Harm = Callable[[Path], Any]
"""Changes the world, whose directory it is given, before the command runs."""


@dataclass(frozen=True)
class Wrong:
    """A command line that must be refused, and what the refusal must say."""

    line: str
    """The words after `steelyard`."""
    said: str
    """A part of the one line."""
    harm: Harm | None = None
    """What is wrong, where it is not the command line itself."""
    code: int = 2
    began: str = ""
    """Directory of a run that had rightly begun before the mistake could show; it stays, for --resume."""
    shell: bool = False
    """Tried through the real executable instead of `main`."""


def all_of(*harms: Harm) -> Harm:
    """One harm after the other."""

    def do(world: Path) -> None:
        for harm in harms:
            harm(world)

    return do


def write(name: str, content: str | bytes) -> Harm:
    """A file of this content in place of whatever there is."""

    def do(world: Path) -> None:
        (world / name).parent.mkdir(parents=True, exist_ok=True)
        (world / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return do


def remove(name: str) -> Harm:
    """The file or directory is missing."""

    def do(world: Path) -> None:
        path = world / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return do


def move(name: str, to: str) -> Harm:
    """It lies elsewhere."""
    return lambda world: (world / name).rename(world / to)


def tear(name: str, share: float = 0.5) -> Harm:
    """Only the first part of the file is there."""

    def do(world: Path) -> None:
        path = world / name
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return do


def flip(name: str, place: float = 0.5) -> Harm:
    """One bit of the file is another."""

    def do(world: Path) -> None:
        data = bytearray((world / name).read_bytes())
        data[int(len(data) * place)] ^= 1
        (world / name).write_bytes(data)

    return do


def blank(name: str, start: int, length: int) -> Harm:
    """A stretch of the file is zeros."""

    def do(world: Path) -> None:
        data = bytearray((world / name).read_bytes())
        data[start : start + length] = bytes(length)
        (world / name).write_bytes(data)

    return do


def put(name: str, other: str | Path) -> Harm:
    """Another file or directory of the world lies in its place."""

    def do(world: Path) -> None:
        source, target = world / other, world / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)

    return do


def link(name: str, to: str) -> Harm:
    """It is moved away, and a symbolic link lies in its place."""

    def do(world: Path) -> None:
        (world / name).replace(world / to)
        (world / name).symlink_to(world / to)

    return do


def change(name: str, *keys: str, **entries: Any) -> Harm:
    """Other entries in a JSON file, in the object below `keys`."""

    def do(world: Path) -> None:
        data = inner = json.loads((world / name).read_text())
        for key in keys:
            inner = inner[key]
        inner |= entries
        (world / name).write_text(json.dumps(data))

    return do


def sql(name: str, script: str) -> Harm:
    """A database is changed from outside."""

    def do(world: Path) -> None:
        with closing(sqlite3.connect(world / name)) as connection:
            connection.executescript(script)

    return do


def sealed(name: str, harm: Harm) -> Harm:
    """The checkpoint is harmed and gets a manifest that fits, as one of another origin has."""

    def do(world: Path) -> None:
        harm(world)
        part = checkpoint.begin((world / name).parent, 10**6)
        shutil.rmtree(part)
        (world / name).replace(part)
        (part / checkpoint.MANIFEST).unlink()
        checkpoint.seal(part).replace(world / name)

    return do
