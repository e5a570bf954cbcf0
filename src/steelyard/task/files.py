"""Read the rows of a JSONL or Parquet file, each with its place for error messages ("line 3", "row 3")."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from steelyard.core import SteelyardError, require
from steelyard.core.json import JsonObject, check_keys
from steelyard.task.arrow_values import values_of

DataRow = JsonObject
"""A row of a data file: column -> value."""

LONGEST = 1 << 24
"""Longest accepted line of JSONL (bytes), and longest accepted text in a Parquet file (characters)."""
_BATCH = 1024  # Parquet rows in memory at a time
_DIGITS = 4000  # of an integer: Python reads and writes no longer ones
_KEY_END = re.compile(rb'"\s*:')


def read_rows(path: str) -> list[tuple[str, DataRow]]:
    """All rows of a file in order, each with its place.

    Raises:
        SteelyardError: the file is missing, empty or malformed, or of an unknown kind.
    """
    file = Path(path)
    hint = "give the path of a .jsonl or .parquet file"
    require(path != "", "no file is named", where="rows.path", hint=hint)
    require(file.is_file(), "there is no such file", where=path, hint=hint)
    kinds = {".jsonl": _jsonl, ".ndjson": _jsonl, ".json": _jsonl, ".parquet": _parquet}
    require(file.suffix in kinds, f"{file.suffix or 'a file without suffix'} is not read", where=path, hint=hint)
    rows = list(kinds[file.suffix](file))
    require(bool(rows), "it holds no rows", where=path, hint="write at least one row")
    return rows


def read_directory(directory: str, subset: str, split: str) -> list[tuple[str, DataRow]]:
    """All rows of the files SPLIT*.jsonl or SPLIT*.parquet in a directory (or its subset's), sorted by name.

    Raises:
        SteelyardError: there are none, or one is malformed.
    """
    place = Path(directory) / subset
    files = sorted(file for kind in ("jsonl", "parquet") for file in place.glob(f"{split}*.{kind}"))
    hint = "name another --split or --subset, or a .jsonl or .parquet file"
    require(bool(files), f"there is no such file: {split}*.jsonl or {split}*.parquet", where=str(place), hint=hint)
    return [(f"{file.name}, {at}", row) for file in files for at, row in read_rows(str(file))]


def _jsonl(file: Path) -> Iterator[tuple[str, DataRow]]:
    for number, line in enumerate(file.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        if (row := _parse(line, f"{file}, line {number}")) is not None:
            yield f"line {number}", row


def _parse(line: bytes, where: str) -> DataRow | None:
    """The row of a line; None for an empty one."""
    hint = "write one JSON object per line"
    require(len(line) <= LONGEST, f"it has {len(line)} bytes, and a row at most {LONGEST}", where=where, hint=hint)
    try:
        row = msgspec.json.decode(line, type=DataRow)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return _parse_odd(line, where, error)
    if len(_KEY_END.findall(line)) > len(row):  # an object inside, a text with '":', or a key that stands twice
        check_keys(line.decode(), where)
    return row


def _parse_odd(line: bytes, where: str, error: Exception) -> DataRow | None:
    """The row of a line that is not strict JSON: NaN and Infinity, which Python writes, are read too.

    A number that no float or integer holds, and half of a surrogate pair, are refused with their column.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as wrong:
        raise SteelyardError("it is not UTF-8 text", where=where, hint="save the file as UTF-8") from wrong
    if not text.strip():
        return None
    hint = "write one JSON object per line"
    try:
        row = json.loads(text, parse_int=_whole, parse_float=_fraction)
        check_keys(text, where)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise SteelyardError(f"it is not a JSON object: {error}", where=where, hint=hint) from error
    for name, value in row.items():
        odd = _unreadable(value)
        require(odd is None, f"column {name!r} holds {odd}", where=where, hint="write it as a text, or leave it out")
    return row


class _Beyond(str):
    """A number that cannot be read, as it was written."""


def _whole(text: str) -> int | str:
    return int(text) if len(text) <= _DIGITS else _Beyond(text)


def _fraction(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else _Beyond(text)


def _unreadable(value: object) -> str | None:
    """What of a value cannot be read, or None."""
    if isinstance(value, _Beyond):
        return f"a number out of range ({value:.20}{'...' * (len(value) > 20)})"
    if isinstance(value, str):
        return "half a character (a lone surrogate)" if any("\ud800" <= c <= "\udfff" for c in value) else None
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return next((odd for odd in map(_unreadable, parts) if odd is not None), None)


def _parquet(file: Path) -> Iterator[tuple[str, DataRow]]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(file) as opened:
            names = opened.schema_arrow.names
            twice = next((name for name in names if names.count(name) > 1), None)
            require(twice is None, f"two columns are called {twice!r}", where=str(file), hint="rename one of them")
            for batch in opened.iter_batches(_BATCH):
                where = f"{file}, rows {number + 1} to {number + len(batch)}"
                _check_values(batch, where)
                columns = [values_of(column, name, f"{file}, row", number) for name, column in _named(batch)]
                for values in zip(*columns, strict=True) if columns else [()] * len(batch):
                    number += 1
                    row = dict(zip(names, values, strict=True))
                    _check_lengths(row, f"{file}, row {number}")
                    yield f"row {number}", row
    except (pyarrow.ArrowException, OSError) as error:
        what = f"it is not a Parquet file: {error}"
        raise SteelyardError(what, where=str(file), hint="write it again, or use .jsonl") from error


def _named(batch: Any) -> Iterator[tuple[str, Any]]:
    return zip(batch.schema.names, batch.columns, strict=True)


def _check_values(batch: Any, where: str) -> None:
    """Refuse values that do not have their column's type, such as text that is not UTF-8; Arrow does not check this."""
    import pyarrow

    for name, column in _named(batch):
        try:
            column.validate(full=True)
        except pyarrow.ArrowException as error:
            hint = "write the column again, and text as UTF-8"
            raise SteelyardError(f"column {name!r} is damaged: {error}", where=where, hint=hint) from error


def _check_lengths(row: DataRow, where: str) -> None:
    for name, value in row.items():
        fits = not isinstance(value, str | bytes) or len(value) <= LONGEST
        require(fits, f"column {name!r} is longer than {LONGEST}", where=where, hint="shorten it, or leave it out")
