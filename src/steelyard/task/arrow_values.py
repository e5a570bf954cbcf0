"""The values of an Arrow column as Python's: each as it stands in the file, or the row and column are named.

Times in nanoseconds, which Python has not, are read where they are whole microseconds. A time, a number or a structure
that Python has no value for is refused; Arrow alone would raise an error of its own, with neither row nor column.
"""

from typing import Any

from steelyard.core import SteelyardError

_HINT = "write the column in another type, such as text, or leave it out"


def values_of(column: Any, name: str, where: str, before: int) -> list[object]:
    """The values of a column, null as None.

    Args:
        column: an Arrow array.
        name: the column's name.
        where: the place that an error names, in front of the row's number.
        before: rows of the file before this array.

    Raises:
        SteelyardError: a value that Python cannot hold.
    """
    import pyarrow

    kind = _in_microseconds(column.type)
    try:
        return (column if kind == column.type else column.cast(kind)).to_pylist()
    except (pyarrow.ArrowException, ValueError, OverflowError, TypeError) as error:
        pass_on = error
    for row in range(len(column)):
        try:
            some = column.slice(row, 1)
            (some if kind == column.type else some.cast(kind)).to_pylist()
        except (pyarrow.ArrowException, ValueError, OverflowError, TypeError) as error:
            said = " ".join(str(error).split())[:200]
            what = f"column {name!r} ({column.type}) cannot be read: {said}"
            raise SteelyardError(what, where=f"{where} {before + row + 1}", hint=_HINT) from error
    what = f"column {name!r} ({column.type}) cannot be read: {pass_on}"
    raise SteelyardError(what, where=f"{where} {before + 1}", hint=_HINT) from pass_on


def _in_microseconds(kind: Any) -> Any:
    """The type with every nanosecond in it replaced, at any depth."""
    import pyarrow
    from pyarrow import types

    if types.is_timestamp(kind) and kind.unit == "ns":
        return pyarrow.timestamp("us", kind.tz)
    if types.is_duration(kind) and kind.unit == "ns":
        return pyarrow.duration("us")
    if types.is_time64(kind) and kind.unit == "ns":
        return pyarrow.time64("us")
    if types.is_struct(kind):
        return pyarrow.struct([field.with_type(_in_microseconds(field.type)) for field in kind])
    if types.is_map(kind):
        return pyarrow.map_(_in_microseconds(kind.key_type), _in_microseconds(kind.item_type), kind.keys_sorted)
    if types.is_fixed_size_list(kind):
        return pyarrow.list_(_in_microseconds(kind.value_type), kind.list_size)
    if types.is_large_list(kind):
        return pyarrow.large_list(_in_microseconds(kind.value_type))
    return pyarrow.list_(_in_microseconds(kind.value_type)) if types.is_list(kind) else kind
