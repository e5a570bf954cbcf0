"""Settings to JSON and back: nested frozen dataclasses, where a registered method carries its id under `method`.

A dataclass that is not registered, such as a world of an experiment or a task of one's own, is named by its `class`
(`module:Class`) wherever the field could hold others too.

A method also names its module, so that another process can import it: to import is to run code. Settings that were read
from a file, which may be somebody else's, therefore get modules of this package imported and no others, but for those
that the environment variable STEELYARD_MODULES names (separated by commas).
"""

import dataclasses
import functools
import importlib
import inspect
import math
import os
import re
import sys
import typing

import msgspec

from steelyard.core.errors import SteelyardError, suggest
from steelyard.core.method import cards, find, id_of
from steelyard.core.moved import CLASSES, UNREGISTERED, current_fields, current_id, current_module

ALLOWED = "STEELYARD_MODULES"
_OURS = re.compile(r"steelyard(\.[a-z][a-z0-9_]*)+")


def encode(settings: object) -> dict[str, object]:
    """Plain JSON-ready dictionary of a settings dataclass.

    A registered method is written as `{"method": id, "module": module, ...fields}`; `module` lets another process
    import a method that lives outside the package. JSON has no infinity: a number that is not finite becomes the text
    "inf", "-inf" or "nan", which `decode` reads back.
    """
    data: dict[str, object] = {}
    if (id := id_of(settings)) is not None:
        data = {"method": id, "module": type(settings).__module__}
    hints = _hints_of(type(settings))
    for f in dataclasses.fields(settings):  # pyright: ignore[reportArgumentType]
        value = getattr(settings, f.name)
        data[f.name] = _nested(value, hints[f.name]) if dataclasses.is_dataclass(value) else _plain(value)
    return data


def _nested(value: object, hint: object) -> dict[str, object]:
    """The settings at a field of type `hint`, with their class where neither an id nor the type says it."""
    said = id_of(value) is not None or type(value) in (hint, *typing.get_args(hint))
    named = {} if said else {"class": f"{type(value).__module__}:{type(value).__qualname__}"}
    return {**named, **encode(value)}


@functools.cache
def _hints_of(cls: type) -> dict[str, object]:
    return typing.get_type_hints(cls)


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))
    return msgspec.to_builtins(value)


def decode(
    data: dict[str, object], cls: type | None = None, *, where: str = "config", trusted: bool = False
) -> typing.Any:
    """Build the settings that `encode` wrote.

    Args:
        data: the dictionary.
        cls: the dataclass to build; not needed where `data` names a method.
        where: prefix for error messages.
        trusted: the settings are this program's own, or the user asked to run what they name: import any module.

    Raises:
        SteelyardError: unknown method or field, a value of the wrong type, or a module that may not be imported.
    """
    try:
        return _decode(data, cls, where, trusted)
    except RecursionError as error:
        raise SteelyardError("is nested too deeply", where=where, hint="write it as encode does") from error


def _decode(data: dict[str, object], cls: type | None, where: str, trusted: bool) -> typing.Any:
    data = dict(data)
    if "method" in data and str(data["method"]) in UNREGISTERED:
        data.pop("module", None)
        data["class"] = UNREGISTERED[str(data.pop("method"))]
    if "method" in data:
        id = current_id(str(data.pop("method")))
        _import_method(id, current_module(data.pop("module", None)), where, trusted)
        cls = find(id).cls
    elif "class" in data:
        cls = _import_class(data.pop("class"), where, trusted)
    if cls is None:
        raise SteelyardError("no method is named", where=where, hint='add a "method" key with a registered id')
    data = current_fields(cls, data)
    hints = typing.get_type_hints(cls)
    for name in data:
        if name not in hints:
            raise SteelyardError(f"unknown setting {name!r}", where=where, hint=suggest(name, hints))
    missing = [f.name for f in dataclasses.fields(cls) if f.name not in data and _required(f)]
    if missing:
        raise SteelyardError(f"setting {missing[0]!r} is missing", where=where, hint="add it")
    return cls(**{name: _field(value, hints[name], f"{where}.{name}", trusted) for name, value in data.items()})


def _import_method(id: str, module: object, where: str, trusted: bool) -> None:
    """Import the module of a method, so that the method is registered; nothing to do where it is already."""
    if module is None or any((card.id, card.cls.__module__) == (id, module) for card in cards()):
        return
    _import(module, where, trusted)


def _import_class(spec: object, where: str, trusted: bool) -> type:
    """The frozen dataclass that `module:Class` names; nothing else that a module holds can be named."""
    module, _, name = CLASSES.get(str(spec), str(spec)).partition(":")
    _import(module, where, trusted)
    found = getattr(sys.modules[module], name, None)
    frozen = isinstance(found, type) and dataclasses.is_dataclass(found) and found.__dataclass_params__.frozen  # pyright: ignore[reportAttributeAccessIssue]
    if not isinstance(found, type) or not frozen:
        raise SteelyardError(f"{spec!r} is no frozen dataclass", where=where, hint="name one as module:Class")
    return found


def _import(module: object, where: str, trusted: bool) -> None:
    """Import a module that a file names, where that is allowed."""
    allowed = (name.strip() for name in os.environ.get(ALLOWED, "").split(","))
    if not isinstance(module, str) or not (trusted or _OURS.fullmatch(module) or module in allowed):
        what = f"the module {module!r} cannot be imported on the word of a file, because it is not part of steelyard"
        raise SteelyardError(what, where=where, hint=f"if you trust it, import it first, or name it in {ALLOWED}")
    try:
        importlib.import_module(module)
    except (ImportError, ValueError, TypeError) as error:  # the last two where it is no name of a module
        what = f"the module {module!r} cannot be imported ({error})"
        raise SteelyardError(what, where=where, hint="run where it can be imported") from error


def _required(f: "dataclasses.Field[typing.Any]") -> bool:
    return f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING


def _built_here(hint: type) -> bool:
    """True for a class of settings, and for a Protocol or abstract class: then the value itself names the method."""
    return dataclasses.is_dataclass(hint) or typing.Protocol in hint.__bases__ or inspect.isabstract(hint)


def _field(value: object, hint: typing.Any, where: str, trusted: bool) -> typing.Any:
    if isinstance(value, dict) and typing.get_origin(hint) is dict:
        return {
            name: _field(item, typing.get_args(hint)[1], f"{where}.{name}", trusted) for name, item in value.items()
        }
    classes = tuple(t for t in (hint, *typing.get_args(hint)) if isinstance(t, type) and _built_here(t))
    if isinstance(value, dict) and (classes or (hint is typing.Any and ("method" in value or "class" in value))):
        found = _decode(value, next(filter(dataclasses.is_dataclass, classes), None), where, trusted)
        if classes and not isinstance(found, classes):
            names = " or ".join(c.__name__ for c in classes)
            raise SteelyardError(f"is a {type(found).__name__}", where=where, hint=f"name a {names}")
        return found
    if value in ("inf", "-inf", "nan") and float in (kinds := (hint, *typing.get_args(hint))) and str not in kinds:
        return float(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise SteelyardError("is a number of more than 64 bits", where=where, hint="write a smaller one")
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        raise SteelyardError(
            str(error), where=where, hint="write a value of the type that the setting's help names"
        ) from error
