"""Records: rows of data that know where they come from.

A row that was read has an id by its content. A row that was built also says which records it was made of, by which
builder with which settings and seed, and what was asked on the way; its id is the digest of all that. So a record names
its whole history, no record can be its own ancestor, and building again gives the same ids.
In a file the fields are the columns, and the column `record` holds the rest.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from steelyard.core import SteelyardError, require
from steelyard.core.json import JsonMapping, JsonObject

COLUMN = "record"
"""The column of a file that holds a record's id and origin."""


@dataclass(frozen=True)
class Origin:
    """How a record was made."""

    sources: tuple[str, ...]
    """The ids of the records that it was made of."""
    builder: JsonMapping
    """The builder's settings, as `steelyard.core.encode` writes them."""
    seed: int
    asked: Mapping[str, str] = field(default_factory=dict)
    """Who was asked on the way: "generator" and "judge" -> their names."""
    number: int = 0
    """Tells records of the same content and sources apart."""


@dataclass(frozen=True)
class Record:
    """A row of data."""

    id: str
    """Unique among the records of a file."""
    fields: JsonMapping
    """The columns."""
    origin: Origin | None = None
    """How it was made; None for a row that was read from elsewhere."""


def built(fields: JsonMapping, origin: Origin) -> Record:
    """A record of this origin; its id is the digest of both. The fields are kept as JSON gives them back."""
    kept = msgspec.json.decode(msgspec.json.encode(fields))
    return Record(_digest({"fields": kept, "origin": origin}), kept, origin)


def records_of(rows: Iterable[tuple[str, JsonMapping]]) -> list[Record]:
    """Records of rows that were read from a file; those that a builder wrote keep their id and origin.

    Rows of equal content get ids that count up, so that each is told apart.

    Args:
        rows: the place of each row, for errors, and the row.

    Raises:
        SteelyardError: the column `record` is not as it was written, or an id stands twice.
    """
    seen: Counter[str] = Counter()
    found: dict[str, Record] = {}
    for place, row in rows:
        record = _written(row, place) if COLUMN in row else _read(row, seen)
        what = f"the record {record.id} stands twice"
        require(record.id not in found, what, where=place, hint="leave one of the rows out")
        found[record.id] = record
    return [*found.values()]


def row_of(record: Record) -> JsonObject:
    """The row of a file: the fields, and the rest in the column `record`."""
    what = f"a field is called {COLUMN!r}"
    hint = "call it otherwise"
    require(COLUMN not in record.fields, what, where=f"record {record.id}", hint=hint)
    origin = {} if record.origin is None else msgspec.to_builtins(record.origin)
    return {**record.fields, COLUMN: {"id": record.id, **origin}}


def ancestors(record: Record, known: Sequence[Record]) -> set[str]:
    """The ids of all records that a record was made of, directly or not, as far as they are known."""
    by_id = {one.id: one for one in known}
    found: set[str] = set()
    waiting = [record]
    while waiting:
        origin = waiting.pop().origin
        new = set(origin.sources if origin else ()) - found
        found |= new
        waiting += [by_id[id] for id in sorted(new) if id in by_id]
    return found


def _read(row: JsonMapping, seen: Counter[str]) -> Record:
    id = _digest(row)
    seen[id] += 1
    return Record(id if seen[id] == 1 else f"{id}-{seen[id]}", row)


def _written(row: JsonMapping, place: str) -> Record:
    fields = {name: value for name, value in row.items() if name != COLUMN}
    try:
        said = dict(row[COLUMN])
        id = msgspec.convert(said.pop("id"), str)
        origin = msgspec.convert(said, Origin) if said else None
    except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
        what = f"column {COLUMN!r} is not as it was written ({error})"
        hint = f"leave the column out, or build the file again; {COLUMN!r} names where a row comes from"
        raise SteelyardError(what, where=place, hint=hint) from error
    whole = origin is None or built(fields, origin).id == id
    what = f"the record {id} was changed after it was built"
    require(whole, what, where=place, hint=f"leave the column {COLUMN!r} out, or build the file again")
    return Record(id, fields, origin)


def _digest(value: object) -> str:
    text = msgspec.json.encode(msgspec.to_builtins(value), order="deterministic")
    return hashlib.blake2b(text, digest_size=8).hexdigest()
