"""Export a replay to a Parquet file for other tools, without loss, and import it again.

One row per stored trajectory, with the columns of `tables`. `import_parquet` restores the same trajectories in the same
order, and enters their weights into the ledger.
"""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from steelyard.core import SteelyardError, require
from steelyard.replay.durable import Durable
from steelyard.replay.inspect import open_view
from steelyard.replay.tables import MAY_BE_ABSENT, SCHEMA, Arrival, from_table, to_table

_CHUNK = 4096
"""Trajectories in memory at a time, and in a row group."""


def export_parquet(replay: Path, out: Path, where: str | None = None) -> int:
    """Write the stored trajectories of a replay file in order of arrival; returns their number.

    Args:
        replay: a `replay.sqlite`; a run may be writing it.
        out: the new file; an existing one is not overwritten.
        where: a filter as in `inspect`.

    Raises:
        SteelyardError: the replay cannot be read, the filter is wrong, `out` exists, or it cannot be written.
    """
    require(not out.exists(), "exists already", where=str(out), hint="name a new file")
    part = out.with_name(f".{out.name}.part")
    with open_view(replay) as view, _writing(out, part):
        count = _write(view.trajectories(where), part)
        part.replace(out)
    return count


@contextmanager
def _writing(out: Path, part: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "free some space, or name a directory that exists and can be written"
        raise SteelyardError(f"cannot be written ({error.strerror or error})", where=str(out), hint=hint) from error
    finally:
        if part.exists():
            part.unlink()


def _write(arrivals: Iterable[Arrival], path: Path) -> int:
    count = 0
    with pq.ParquetWriter(path, SCHEMA, compression="zstd", write_page_checksum=True) as writer:
        for some in _batches(arrivals):
            writer.write_table(to_table(some))
            count += len(some)
    return count


def _batches(arrivals: Iterable[Arrival]) -> Iterator[list[Arrival]]:
    rest = iter(arrivals)
    while some := list(itertools.islice(rest, _CHUNK)):
        yield some


def import_parquet(file: Path, replay: Durable) -> int:
    """Add the trajectories of a Parquet file to a replay, in order; returns how many were admitted.

    The file is read twice. The first pass checks all of it, so a wrong file changes nothing.

    Raises:
        SteelyardError: it is not a Parquet file or is incomplete; its columns or values are wrong; or the replay's
            ledger has another digest for one of its versions.
    """
    replay.publish_all(_weights(file))
    admitted = 0
    for arrived, group in itertools.groupby(_read(file), key=lambda arrival: arrival[0]):
        for some in _batches(group):
            admitted += replay.add([trajectory for _, trajectory in some], version=arrived)
    return admitted


def _weights(file: Path) -> dict[int, str]:
    """The file's weights, version -> digest, after checking every trajectory."""
    weights: dict[int, str] = {}
    for _, t in _read(file):
        known = weights.setdefault(t.version, t.digest)
        require(
            known == t.digest,
            f"version {t.version} has digest {known} and {t.digest}",
            where=str(file),
            hint="import the trajectories of one run at a time",
        )
    return weights


def _read(file: Path) -> Iterator[Arrival]:
    """Yield every trajectory, checked.

    Raises:
        SteelyardError: the file or a value is wrong.
    """
    with _reading(file), pq.ParquetFile(file, page_checksum_verification=True) as opened:
        names = opened.schema_arrow.names
        _check_columns(names)
        for batch in opened.iter_batches(_CHUNK, columns=[name for name in SCHEMA.names if name in names]):
            yield from from_table(_completed(pa.Table.from_batches([batch])).select(SCHEMA.names).cast(SCHEMA))


def _completed(table: pa.Table) -> pa.Table:
    """The table with null columns for those that older exports lack."""
    for name in MAY_BE_ABSENT:
        if name not in table.schema.names:
            table = table.append_column(name, pa.nulls(len(table), SCHEMA.field(name).type))
    return table


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except SteelyardError as error:
        raise SteelyardError(error.what, where=f"{file}: {error.where}", hint=error.hint) from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise SteelyardError(
            f"cannot be read as Parquet ({cause})", where=str(file), hint="name a file made by an export"
        ) from error


def _check_columns(names: list[str]) -> None:
    missing = [name for name in SCHEMA.names if name not in (*names, *MAY_BE_ABSENT)]
    require(
        not missing,
        f"has no column {', '.join(missing)}",
        where="columns",
        hint=f"a replay has {', '.join(SCHEMA.names)}",
    )
