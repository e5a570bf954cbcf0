"""Limits of settings: the type of a field says what is allowed, and every construction is checked against it.

    beta: Positive = 0.05
    threshold: Annotated[float, Meta(gt=0, le=1, examples=[0.5])] | None = None
    scale: Literal["log", "mean"] = "log"

`@method` and `@checked` enforce such types: the bounds of a `msgspec.Meta` and the words of a `Literal`, also inside
`X | None` and `tuple[X, ...]`. The command line, Python, `dataclasses.replace` and `decode` all build the dataclass, so
each of them gives the same one-line error. `__post_init__` is left for relations between fields, and runs afterwards.
A dataclass that derives from a checked one is checked against its own field types, with or without a decorator.

A bounded float must be finite unless its Meta says `extra={"inf": True}`. The hint is derived from the bounds;
`examples` adds ", such as ..." to it, and `description` replaces it.
"""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple, TypeVar

import msgspec
import numpy as np
from msgspec import Meta

from steelyard.core.errors import SteelyardError

T = TypeVar("T")

PositiveInt = Annotated[int, Meta(ge=1)]
NonNegativeInt = Annotated[int, Meta(ge=0)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1, description="0 to 2^63 - 1")]
Positive = Annotated[float, Meta(gt=0)]
PositiveOrInf = Annotated[float, Meta(gt=0, extra={"inf": True})]
NonNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
ShareAboveZero = Annotated[float, Meta(gt=0, le=1)]
ShareInside = Annotated[float, Meta(gt=0, lt=1)]
ShareBelowOne = Annotated[float, Meta(ge=0, lt=1)]


class Limits(NamedTuple):
    """What the limited fields of a dataclass allow, by field name."""

    types: dict[str, object]
    """The fields' types, for msgspec."""
    words: dict[str, str]
    """The allowed values, to follow the word "use"."""
    finite: list[str]
    """Fields that must be finite."""
    struct: type[msgspec.Struct]
    """All these fields in one type: one call of msgspec checks them."""


def checked(where: str | None = None) -> Callable[[type[T]], type[T]]:
    """Decorate a dataclass so that the limits of its fields are checked whenever it is built.

    Args:
        where: errors name a field `where.field`; by default as a flag, `--field-name`.
    """

    def decorate(cls: type[T]) -> type[T]:
        check_when_built(cls, where)
        return cls

    return decorate


def check_when_built(cls: type, where: str | None) -> None:
    """Make a dataclass check its limits when it is built; a class that does already keeps its own `where`.

    The field types are read when the first object is built, because they may name classes defined further down.
    """
    if "__check_limits__" in vars(cls):
        return

    def check(settings: object) -> None:
        _check(settings, limits_of(type(settings)), where)

    cls.__check_limits__ = check
    if hasattr(cls, "__post_init__"):
        cls.__post_init__ = _check_before(cls.__post_init__, check)
    else:
        cls.__init__ = _check_after(cls.__init__, check)
        cls.__post_init__ = _check_before(lambda *_: None, check)  # the `__init__` of a derived dataclass calls it
    cls.__init_subclass__ = classmethod(_check_derived(cls, check))  # pyright: ignore[reportAttributeAccessIssue]


@functools.cache
def limits_of(cls: type) -> Limits:
    """The limits that the field types of a dataclass set."""
    hints = typing.get_type_hints(cls, include_extras=True)
    words = {f.name: _words(hints[f.name]) for f in dataclasses.fields(cls)}
    words = {name: said for name, said in words.items() if said}
    limited = {name: hints[name] for name in words}
    finite = [name for name, hint in limited.items() if float in _leaves(hint) and not _allows_inf(hint)]
    return Limits(limited, words, finite, msgspec.defstruct(cls.__name__, limited.items()))


def _check_derived(cls: type, check: Callable[[object], None]) -> Callable[..., None]:
    """Hook of `cls` that wraps a `__post_init__` of a derived class's own, which need not call the inherited one."""
    earlier = vars(cls).get("__init_subclass__")

    def init_subclass(derived: type, **options: object) -> None:
        if earlier is None:
            super(cls, derived).__init_subclass__(**options)
        else:
            earlier.__get__(None, derived)(**options)
        if "__post_init__" in vars(derived):
            derived.__post_init__ = _check_before(vars(derived)["__post_init__"], check)

    return init_subclass


def _check_before(relations: Callable[..., None], check: Callable[[object], None]) -> Callable[..., None]:
    @functools.wraps(relations)
    def post_init(self: object, *args: object) -> None:
        check(self)
        relations(self, *args)

    return post_init


def _check_after(init: Callable[..., None], check: Callable[[object], None]) -> Callable[..., None]:
    @functools.wraps(init)
    def construct(self: object, *args: object, **kwargs: object) -> None:
        init(self, *args, **kwargs)
        check(self)

    return construct


def _check(settings: object, limits: Limits, where: str | None) -> None:
    """Raise the error of the first field whose value is not allowed."""
    try:
        msgspec.convert(settings, limits.struct, from_attributes=True)
        suspects = [name for name in limits.finite if _is_endless(getattr(settings, name))]
    except msgspec.ValidationError:
        suspects = list(limits.types)
    for name in suspects:
        value = getattr(settings, name)
        if name in limits.finite and _is_endless(value):
            raise _error(name, value, f"a finite number, {limits.words[name]}", where)
        try:
            msgspec.convert(value.item() if isinstance(value, np.generic) else value, limits.types[name])
        except msgspec.ValidationError as error:
            fractional = isinstance(value, float) and int in _leaves(limits.types[name])
            hint = f"a whole number, {limits.words[name]}" if fractional else limits.words[name]
            raise _error(name, value, hint, where) from error


def _error(name: str, value: object, hint: str, where: str | None) -> SteelyardError:
    place = f"--{name.replace('_', '-')}" if where is None else f"{where}.{name}"
    return SteelyardError(f"is {value!r}" if isinstance(value, str) else f"is {value}", where=place, hint=f"use {hint}")


def _is_endless(value: object) -> bool:
    if isinstance(value, tuple):
        return any(map(_is_endless, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return isinstance(value, float) and math.isinf(value)


def _leaves(hint: object) -> list[object]:
    """The types and marks that a type is made of, outermost first."""
    parts = typing.get_args(hint)
    return [leaf for part in parts for leaf in _leaves(part)] if parts else [hint]


def _allows_inf(hint: object) -> bool:
    return any(isinstance(leaf, Meta) and (leaf.extra or {}).get("inf") for leaf in _leaves(hint))


def _words(hint: object) -> str:
    """The values that a type allows, in words; empty where it sets no limit."""
    origin = typing.get_origin(hint)
    parts = typing.get_args(hint)
    if origin is Literal:
        return _either([str(part) for part in parts])
    if origin is Annotated:
        metas = [part for part in parts if isinstance(part, Meta)]
        return _bounds(metas[0]) if metas else _words(parts[0])
    found = [words for words in map(_words, parts) if words]
    if not found:
        return ""
    if origin in (typing.Union, types.UnionType):
        return ", or ".join([*found, *(["None"] if type(None) in parts else [])])
    return f"{', then '.join(dict.fromkeys(found))} for each"


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _bounds(meta: Meta) -> str:
    if meta.description:
        return meta.description
    said = [_range(meta.ge, meta.le), _range(meta.min_length, meta.max_length, " long")]
    said += [f"more than {meta.gt}"] if meta.gt is not None else []
    said += [f"less than {meta.lt}"] if meta.lt is not None else []
    said += [f"a multiple of {meta.multiple_of}"] if meta.multiple_of is not None else []
    said += [f"such as {meta.examples[0]}"] if meta.examples else []
    return ", ".join(filter(None, said))


def _range(low: int | float | None, high: int | float | None, unit: str = "") -> str:
    if low is None and high is None:
        return ""
    if high is None:
        return f"{low} or more{unit}"
    return f"{high} or less{unit}" if low is None else f"{low} to {high}{unit}"
