"""Checks for a method of any room: settings build, compare equal, and survive JSON, pickle and the command line."""

import dataclasses
import pickle
import typing
from collections.abc import Mapping
from types import MappingProxyType

import msgspec
import tyro

from steelyard.check.choices import choices
from steelyard.check.docstring import settings_explained
from steelyard.check.verdict import Check, UnmetError, demand
from steelyard.core import Dataclass, SteelyardError, decode, encode, settings


def default_constructible(method: Dataclass) -> None:
    """The class builds without arguments."""
    try:
        type(method)()
    except TypeError as error:
        raise UnmetError(f"{type(method).__name__}() fails: {error}") from error


def frozen_hashable(method: Dataclass) -> None:
    """A frozen dataclass: equal settings make equal, equally hashed methods that nobody can change."""
    params = getattr(type(method), "__dataclass_params__", None)
    demand(params is not None and params.frozen, "is not a frozen dataclass")
    twin = dataclasses.replace(method)
    demand(twin == method, "a copy with the same settings is not equal to it")
    demand(hash(twin) == hash(method), "a copy with the same settings has another hash")


def json_round_trip(method: Dataclass) -> None:
    """Its settings come back from JSON as the same method."""
    data = msgspec.json.decode(msgspec.json.encode(encode(method)))
    back = decode(data, type(method))
    demand(back == method, f"JSON gives back {back}")


def cli_round_trip(method: Dataclass) -> None:
    """No flags give the defaults, and each number, switch or choice can be set by its flag."""
    cls = type(method)
    default = type(method)()
    demand(_parse(cls, []) == default, "no flags do not give the defaults")
    for name, value in settings(default).items():
        if not isinstance(value, bool | int | float):
            continue
        other = _another(default, name, value)
        words = _flag(called(cls, name), other)
        back = _parse(cls, words)
        demand(back == dataclasses.replace(default, **{name: other}), f"{words} gives {back}")
    for choice, chosen in choices(default):
        name, _, value = choice.partition("=")
        flag = f"--{called(cls, name)}"
        demand(_parse(cls, [flag, value]) == chosen, f"{flag} {value} does not choose it")


def _another(method: Dataclass, name: str, value: bool | int | float) -> bool | int | float:
    """Another value of a setting that the method takes."""
    for other in _others(value):
        try:
            dataclasses.replace(method, **{name: other})
        except SteelyardError:
            continue
        return other
    raise UnmetError(f"{name} takes no value but its default, {value!r}")


def _others(value: bool | int | float) -> tuple[bool | int | float, ...]:
    if isinstance(value, bool):
        return (not value,)
    return (value + 1, value - 1, value + 2, value - 2) if isinstance(value, int) else (value / 2 or 0.5, value * 2)


def called(cls: type, name: str) -> str:
    """What the flag of a setting is called: its name, or another that its annotation gives."""
    marks = getattr(typing.get_type_hints(cls, include_extras=True)[name], "__metadata__", ())
    given = (getattr(mark, "name", None) for mark in marks)
    return next(filter(None, given), name.replace("_", "-"))


def _flag(flag: str, value: bool | int | float) -> list[str]:
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    return [f"--{flag}", repr(value)]


def _parse(cls: type, args: list[str]) -> object:
    try:
        return tyro.cli(cls, args=args, console_outputs=False)
    except SystemExit as error:
        raise UnmetError(f"the command line refuses {args}") from error


def picklable(method: Dataclass) -> None:
    """It can be sent to another process."""
    try:
        pickle.dumps(method)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UnmetError(f"does not pickle: {error}") from error


METHOD_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "default-constructible": default_constructible,
        "frozen-hashable": frozen_hashable,
        "json-round-trip": json_round_trip,
        "cli-round-trip": cli_round_trip,
        "picklable": picklable,
        "settings-explained": settings_explained,
    }
)
