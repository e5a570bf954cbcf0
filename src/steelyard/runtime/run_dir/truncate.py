"""Cutting a run's rows back to where a checkpoint was made: what came later happens again."""

import os
from collections.abc import Mapping
from pathlib import Path

from steelyard.core import require


def check(directory: Path, sizes: Mapping[str, int]) -> None:
    """See that the .jsonl files of `directory` can be cut to `sizes` (bytes).

    Raises:
        SteelyardError: a file is shorter, or no row ends there.
    """
    for name, size in sizes.items():
        _check_rows(directory / name, name, size)


def cut(directory: Path, sizes: Mapping[str, int]) -> None:
    """Cut the .jsonl files of `directory` to `sizes` (bytes), and remove those that are not named.

    Raises:
        SteelyardError: as for `check`; nothing is cut then.
    """
    check(directory, sizes)
    for path in directory.glob("*.jsonl"):
        if path.name in sizes:
            os.truncate(path, sizes[path.name])
        else:
            path.unlink()


def _check_rows(path: Path, name: str, size: int) -> None:
    """Refuse a name that leads elsewhere, and a file that does not hold `size` bytes of whole rows."""
    plain = name == Path(name).name and name.endswith(".jsonl") and not path.is_symlink()
    require(plain, f"names {name!r}, which is no file of rows", where="state.json", hint="take another checkpoint")
    hint = "restore the file, or begin a new run"
    found = path.stat().st_size if path.exists() else 0
    require(found >= size >= 0, f"has {found} bytes of {size}: rows are lost", where=str(path), hint=hint)
    if size:
        with path.open("rb") as file:
            file.seek(size - 1)
            require(file.read(1) == b"\n", f"has no row that ends at byte {size}", where=str(path), hint=hint)
