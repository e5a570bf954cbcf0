"""Rows of a data set of the Hugging Face hub, by `datasets`, which keeps what it fetches in its own cache.

No code of a data set is ever run. Needs the extra: pip install 'steelyard[datasets]'.
"""

import importlib.util
from pathlib import Path
from typing import Any

from steelyard.core import SteelyardError, require
from steelyard.task.files import Row


def is_hub_id(path: str) -> bool:
    """True for OWNER/NAME that is no file or directory here and does not look like one."""
    plain = not path.startswith((".", "~", "/")) and path.count("/") == 1 and not Path(path).suffix
    return plain and not Path(path).exists()


def read_hub(path: str, subset: str, split: str) -> list[tuple[str, Row]]:
    """All rows of one split, in order, with where each stands.

    Args:
        path: a hub id.
        subset: what the data set calls its configuration; empty for its only one.
        split: such as train or test.

    Raises:
        SteelyardError: `datasets` is not installed, or there is no such data set, subset or split.
    """
    installed = importlib.util.find_spec("datasets") is not None
    what = "there is no such file, so it is a data set of the hub, and datasets is not installed"
    require(installed, what, where=path, hint="pip install 'steelyard[datasets]', or name a .jsonl or .parquet file")
    rows = [(f"{split} row {number}", dict(row)) for number, row in enumerate(_rows(path, subset, split), start=1)]
    require(bool(rows), f"its split {split!r} holds no rows", where=path, hint="name another split")
    return rows


def _rows(path: str, subset: str, split: str) -> list[Any]:
    import datasets  # pyright: ignore[reportMissingImports]
    from datasets.exceptions import DatasetsError  # pyright: ignore[reportMissingImports]

    try:
        return list(datasets.load_dataset(path, subset or None, split=split))
    except (DatasetsError, OSError, ValueError) as error:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        hint = "check the name, --subset and --split, and the network"
        raise SteelyardError(f"it cannot be read ({said})", where=path, hint=hint) from error
