"""Settings to JSON and back: nested frozen dataclasses, where a registered method carries its id under `method`."""

import dataclasses
import importlib
import math
import typing

import msgspec

from steelyard.core.errors import SteelyardError, suggest
from steelyard.core.method import find, id_of


def encode(settings: object) -> dict[str, object]:
    """Plain JSON-ready dictionary of a settings dataclass.

    A registered method is written as `{"method": id, "module": module, ...fields}`; `module` lets another process
    import a method that lives outside the package. JSON has no infinity: a number that is not finite becomes the text
    "inf", "-inf" or "nan", which `decode` reads back.
    """
    data: dict[str, object] = {}
    if (id := id_of(settings)) is not None:
        data = {"method": id, "module": type(settings).__module__}
    for f in dataclasses.fields(settings):  # pyright: ignore[reportArgumentType]
        value = getattr(settings, f.name)
        data[f.name] = encode(value) if dataclasses.is_dataclass(value) else _plain(value)
    return data


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))
    return msgspec.to_builtins(value)


def decode(data: dict[str, typing.Any], cls: type | None = None, *, where: str = "config") -> typing.Any:
    """Build the settings that `encode` wrote.

    Args:
        data: the dictionary.
        cls: the dataclass to build; not needed where `data` names a method.
        where: prefix for error messages.

    Raises:
        SteelyardError: unknown method or field, or a value of the wrong type.
    """
    data = dict(data)
    if "method" in data:
        _import(data.pop("module", None), where)
        cls = find(str(data.pop("method"))).cls
    if cls is None:
        raise SteelyardError("no method is named", where=where, mend='add a "method" key with a registered id')
    hints = typing.get_type_hints(cls)
    for name in data:
        if name not in hints:
            raise SteelyardError(f"unknown setting {name!r}", where=where, mend=suggest(name, hints))
    missing = [f.name for f in dataclasses.fields(cls) if f.name not in data and _required(f)]
    if missing:
        raise SteelyardError(f"setting {missing[0]!r} is missing", where=where, mend="add it")
    return cls(**{name: _field(value, hints[name], f"{where}.{name}") for name, value in data.items()})


def _import(module: str | None, where: str) -> None:
    """Import the module of a method, so that the method is registered."""
    try:
        importlib.import_module(module or __name__)
    except ImportError as error:
        raise SteelyardError(
            f"module {module!r} cannot be imported ({error})", where=where, mend="run where it can be imported"
        ) from error


def _required(f: "dataclasses.Field[typing.Any]") -> bool:
    return f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING


def _field(value: typing.Any, hint: typing.Any, where: str) -> typing.Any:
    nested = next((t for t in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(t)), None)
    if isinstance(value, dict) and ("method" in value or nested is not None):
        return decode(value, typing.cast(type | None, nested), where=where)
    if value in ("inf", "-inf", "nan") and float in (kinds := (hint, *typing.get_args(hint))) and str not in kinds:
        return float(value)
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        raise SteelyardError(
            str(error), where=where, mend="write a value of the type that the setting's help names"
        ) from error
