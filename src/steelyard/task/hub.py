"""Read a data set of the Hugging Face hub with `datasets`, which caches its downloads.

No code of a data set is ever run. Needs the extra: pip install 'steelyard[datasets]'.
"""

import importlib.util
from pathlib import Path

from steelyard.core import SteelyardError, require
from steelyard.task.files import DataRow


def is_hub_id(path: str) -> bool:
    """True for OWNER/NAME that neither is nor looks like a local file or directory."""
    plain = not path.startswith((".", "~", "/")) and path.count("/") == 1 and not Path(path).suffix
    return plain and not Path(path).exists()


def read_hub(path: str, subset: str, split: str) -> list[tuple[str, DataRow]]:
    """All rows of one split in order, each with its place.

    Args:
        path: a hub id.
        subset: the name of a configuration; empty if there is only one.
        split: for example train or test.

    Raises:
        SteelyardError: `datasets` is not installed, or there is no such data set, subset or split.
    """
    installed = importlib.util.find_spec("datasets") is not None
    what = "there is no such file, so it is a data set of the hub, and datasets is not installed"
    require(installed, what, where=path, hint="pip install 'steelyard[datasets]', or name a .jsonl or .parquet file")
    rows = [(f"{split} row {number}", dict(row)) for number, row in enumerate(_rows(path, subset, split), start=1)]
    require(bool(rows), f"its split {split!r} holds no rows", where=path, hint="name another split")
    return rows


def _rows(path: str, subset: str, split: str) -> list[DataRow]:
    import datasets  # pyright: ignore[reportMissingImports]
    from datasets.exceptions import DatasetsError  # pyright: ignore[reportMissingImports]

    try:
        return list(datasets.load_dataset(path, subset or None, split=split))
    except (DatasetsError, OSError, ValueError) as error:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        hint = "check the name, --subset and --split, and the network"
        raise SteelyardError(f"it cannot be read ({said})", where=path, hint=hint) from error
