"""Values that reach a killable worker unchanged, though msgpack has no form of its own for all of them.

    as they are   str, float (nan and infinities too), bool, None, bytes, list, dict with text keys, integers of 64 bits
    extensions    larger integers, Decimal, datetime, date, time, timedelta, UUID, tuple, set, dict with other keys,
                  SimpleNamespace, which arrives as one that tells of what it lacks

Numpy's numbers become Python's, and its arrays lists; a number of another kind (Fraction) becomes a float. Anything
else is refused by `pack`, and `unfit` names the column that holds it. Without this, msgspec would turn a date or a
Decimal into text, and a tuple into a list, without a word.

This file imports nothing of steelyard: workers load it by its path (see `worker.py`).
"""

import datetime
import decimal
import numbers
import uuid
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import msgspec
from msgspec.msgpack import Ext

_SAME = frozenset({str, float, bool, type(None), bytes})
_LARGEST = (-(2**63), 2**64 - 1)


def _whole(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def _days(value: datetime.timedelta) -> bytes:
    return f"{value.days} {value.seconds} {value.microseconds}".encode()


class PlainAttributes(SimpleNamespace):
    """The attributes of an object that could be sent, without the object."""

    def __getattr__(self, name: str) -> Any:
        what = f"there is no {name!r}: in a process of its own a function sees an object's plain attributes alone"
        raise AttributeError(what, name=name, obj=self)


def _items(data: bytes) -> list[Any]:
    return msgspec.msgpack.decode(data, ext_hook=unpack)


_FORMS: tuple[tuple[type, Callable[[Any], bytes], Callable[[bytes], Any]], ...] = (
    (int, _whole, lambda data: int.from_bytes(data, "little", signed=True)),
    (decimal.Decimal, lambda v: str(v).encode(), lambda data: decimal.Decimal(data.decode())),
    (datetime.datetime, lambda v: v.isoformat().encode(), lambda data: datetime.datetime.fromisoformat(data.decode())),
    (datetime.date, lambda v: v.isoformat().encode(), lambda data: datetime.date.fromisoformat(data.decode())),
    (datetime.time, lambda v: v.isoformat().encode(), lambda data: datetime.time.fromisoformat(data.decode())),
    (datetime.timedelta, _days, lambda data: datetime.timedelta(*map(int, data.split()))),
    (uuid.UUID, lambda v: v.bytes, lambda data: uuid.UUID(bytes=data)),
    (tuple, lambda v: _list(v), lambda data: tuple(_items(data))),
    (frozenset, lambda v: _list(v), lambda data: frozenset(_items(data))),
    (set, lambda v: _list(v), lambda data: set(_items(data))),
    (dict, lambda v: _list([x for pair in v.items() for x in pair]), lambda data: _pairs(_items(data))),
    (SimpleNamespace, lambda v: _list([x for pair in vars(v).items() for x in pair]),
        lambda data: PlainAttributes(**_pairs(_items(data)))),
)  # fmt: skip
"""Type, its bytes, and the value of those; the place in the table is the extension's code."""


def _list(values: Any) -> bytes:
    return msgspec.msgpack.encode([pack(value) for value in values])


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


def pack(value: Any) -> Any:
    """The value in forms that msgpack has.

    Raises:
        TypeError: there is no such form, as for an object of a class of one's own.
        RecursionError: it is nested too deeply.
    """
    kind = type(value)
    if kind in _SAME:
        return value
    if kind is int and _LARGEST[0] <= value <= _LARGEST[1]:
        return value
    if kind is list:
        return [pack(item) for item in value]
    if kind is dict and all(type(key) is str for key in value):
        return {key: pack(item) for key, item in value.items()}
    return _extension(value)


def _extension(value: Any) -> Any:
    if isinstance(value, str | bytes):  # an enumeration's or numpy's subclass of one
        return value[:]
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # numpy's
        return pack(value.tolist())
    if isinstance(value, numbers.Integral) and _LARGEST[0] <= int(value) <= _LARGEST[1]:
        return int(value)
    for code, (kind, encode, _) in enumerate(_FORMS):
        if isinstance(value, kind):
            return Ext(code, encode(value))
    if isinstance(value, list):
        return [pack(item) for item in value]
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"a {type(value).__name__} cannot be sent between processes")


def unpack(code: int, data: memoryview) -> Any:
    """The value of an extension.

    Raises:
        ValueError: there is no such extension.
    """
    if not 0 <= code < len(_FORMS):
        raise ValueError(f"extension {code} is unknown")
    return _FORMS[code][2](bytes(data))


def unfit(columns: Mapping[str, Any]) -> tuple[str, str] | None:
    """The first column whose value cannot be sent, and why; None where all can."""
    for name, value in columns.items():
        try:
            msgspec.msgpack.encode(pack({name: value}))
        except UnicodeEncodeError:
            return name, "it holds half a character (a lone surrogate)"
        except RecursionError:
            return name, "it is nested too deeply"
        except (TypeError, OverflowError, ValueError) as error:
            return name, str(error)
    return None
