"""Rows of a JSONL or Parquet file, each with a name for error messages ("line 3", "row 3")."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from steelyard.core import SteelyardError, require

Row = dict[str, Any]


def read_rows(path: str) -> list[tuple[str, Row]]:
    """All rows of a file, in order, with where each stands.

    Raises:
        SteelyardError: no such file, an unknown kind, an empty or malformed file.
    """
    file = Path(path)
    mend = "give the path of a .jsonl or .parquet file"
    require(path != "", "no file is named", where="rows.path", mend=mend)
    require(file.is_file(), "there is no such file", where=path, mend=mend)
    kinds = {".jsonl": _jsonl, ".ndjson": _jsonl, ".json": _jsonl, ".parquet": _parquet}
    require(file.suffix in kinds, f"{file.suffix or 'a file without suffix'} is not read", where=path, mend=mend)
    rows = list(kinds[file.suffix](file))
    require(bool(rows), "it holds no rows", where=path, mend="write at least one row with a prompt")
    return rows


def _jsonl(file: Path) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(file.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        where = f"{file}, line {number}"
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise SteelyardError("it is not UTF-8 text", where=where, mend="save the file as UTF-8") from error
        if not text.strip():
            continue
        try:
            yield f"line {number}", msgspec.json.decode(text, type=Row)
        except (msgspec.DecodeError, RecursionError) as error:
            mend = "write one JSON object per line"
            raise SteelyardError(f"it is not a JSON object: {error}", where=where, mend=mend) from error


def _parquet(file: Path) -> Iterator[tuple[str, Row]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(file)
    except (pyarrow.ArrowException, OSError) as error:
        what = f"it is not a Parquet file: {error}"
        raise SteelyardError(what, where=str(file), mend="write it again, or use .jsonl") from error
    for number, row in enumerate(table.to_pylist(), start=1):
        yield f"row {number}", row
