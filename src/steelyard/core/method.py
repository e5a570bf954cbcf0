"""The registry: a method is a frozen dataclass, and a card says what it is and where it comes from.

`@method("vargrad-tb", paper="arXiv:2503.18929")` above the dataclass is the only place a method is declared. Catalogue,
conformance suite, command line and run files read the registry, so there is no second list to keep.
"""

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from steelyard.core.errors import SteelyardError, suggest
from steelyard.core.limits import check_when_built

T = TypeVar("T")


@runtime_checkable
class Dataclass(Protocol):
    """An instance of any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


@dataclass(frozen=True)
class Card:
    """What the catalogue knows of a method."""

    id: str
    """Kebab-case name, unique in the registry."""
    room: str
    """The package room it lives in (`objective`, `replay`, ...)."""
    cls: type
    """The frozen dataclass: configuration and behaviour in one."""
    paper: str | None = None
    """`arXiv:NNNN.NNNNN`, or None where the part is ours."""
    exemptions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Conformance check -> the reason this method is excused from it."""
    claim: str | None = None
    """One line: what its paper says it gains."""

    @property
    def name(self) -> str:
        """The class name, as Python users write it."""
        return self.cls.__name__

    @property
    def text(self) -> str:
        """The module docstring: summary line, equation, shapes, source."""
        return inspect.getdoc(sys.modules[self.cls.__module__]) or ""

    @property
    def summary(self) -> str:
        """One line saying what the method does."""
        return self.text.partition("\n")[0]

    @property
    def equation(self) -> str:
        """The docstring's indented lines."""
        return "\n".join(line for line in self.text.splitlines() if line.startswith("    "))

    def part(self, label: str) -> str | None:
        """What the docstring says after a sentence's `label...:`, up to the next empty, indented or labelled line."""
        found = re.search(rf"(?:^|(?<=\. )){label}[^:\n]*: (.*(?:\n(?![A-Z][a-z]+: )\S.*)*)", self.text, re.M)
        return " ".join(found[1].split()) if found else None


_cards: dict[str, Card] = {}


def method(
    id: str,
    *,
    paper: str | None = None,
    claim: str | None = None,
    exemptions: Mapping[str, str] | None = None,
    room: str | None = None,
) -> Callable[[type[T]], type[T]]:
    """Register a frozen dataclass under `id`; the limits of its fields are checked when it is built (`core.limits`).

    Args:
        id: kebab-case name.
        paper: source, `arXiv:...`.
        claim: one line, what the paper says the method gains.
        exemptions: conformance checks this method cannot meet, each with its reason.
        room: the room; read from the module's name for methods inside the package.

    Raises:
        TypeError: the class is not a frozen dataclass.
        ValueError: another class already holds the id.
    """

    def register(cls: type[T]) -> type[T]:
        params = getattr(cls, "__dataclass_params__", None)
        if params is None or not params.frozen:
            raise TypeError(
                f"@method({id!r}): {cls.__name__} must be a frozen dataclass (put @dataclass(frozen=True) below)"
            )
        card = Card(
            id,
            room or cls.__module__.split(".")[1 if "." in cls.__module__ else 0],
            cls,
            paper,
            MappingProxyType(dict(exemptions or {})),
            claim,
        )
        held = _cards.get(id)
        if held is not None and (held.cls.__module__, held.name) != (cls.__module__, cls.__name__):
            raise ValueError(f"method id {id!r} is taken by {held.cls.__module__}.{held.name}")
        _cards[id] = card
        check_when_built(cls, id)
        return cls

    return register


def cards(room: str | None = None) -> list[Card]:
    """Every registered card, sorted by room and id; of one room if named."""
    return sorted((c for c in _cards.values() if room in (None, c.room)), key=lambda c: (c.room, c.id))


def find(id: str) -> Card:
    """The card of `id`.

    Raises:
        SteelyardError: no such method; the message suggests near names.
    """
    if id not in _cards:
        raise SteelyardError(f"unknown method {id!r}", where="method", hint=suggest(id, _cards))
    return _cards[id]


def id_of(method: object) -> str | None:
    """The registered id of an instance or class, or None."""
    cls = method if isinstance(method, type) else type(method)
    return next((c.id for c in _cards.values() if c.cls is cls), None)


def settings(method: object) -> dict[str, object]:
    """Field name -> value, one level deep."""
    return {f.name: getattr(method, f.name) for f in dataclasses.fields(method)}  # pyright: ignore[reportArgumentType]
