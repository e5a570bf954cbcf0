"""`steelyard methods [ID]`: what is registered, read from the cards in the code."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from steelyard import curriculum, objective, replay, reward, task  # noqa: F401  (to import a room is to register it)
from steelyard.cli.flags import parse
from steelyard.core import Card, SteelyardError, cards, encode, find, suggest
from steelyard.runtime import to_json


@dataclass(frozen=True)
class Methods:
    """List the methods that this installation knows, or explain one: its equation, its source and its settings."""

    id: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[ID]")] = None
    """The method to explain."""
    room: str | None = None
    """List one room only, such as objective."""


def run(words: Sequence[str]) -> dict[str, Any]:
    """Print the list or the card."""
    asked = parse(Methods, words, command="methods")
    rooms = sorted({card.room for card in cards()})
    if asked.room is not None and asked.room not in rooms:
        raise SteelyardError(f"no method lives in room {asked.room!r}", where="--room", mend=suggest(asked.room, rooms))
    if asked.id is not None:
        card = find(asked.id)
        print(explain(card))
        return data_of(card)
    listed = cards(asked.room)
    for card in listed:
        print(f"{card.room:<11} {card.id:<18} {card.paper or '':<18} {card.summary}")
    return {"methods": [data_of(card) for card in listed]}


def explain(card: Card) -> str:
    """A card as text: what it is, where it comes from, its settings."""
    lines = [f"{card.id} ({card.room}, {card.name})", "", card.text, "", "settings:"]
    lines += [f"  {f.name} = {to_json(default_of(f))}" for f in dataclasses.fields(card.cls)] or ["  (none)"]
    return "\n".join(lines)


def default_of(field: "dataclasses.Field[Any]") -> Any:
    """A setting's default as JSON; "required" where it has none."""
    if field.default is not dataclasses.MISSING:
        default = field.default
    elif field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    else:
        return "required"
    return encode(default) if dataclasses.is_dataclass(default) else default


def data_of(card: Card) -> dict[str, Any]:
    """A card as JSON."""
    settings = {f.name: default_of(f) for f in dataclasses.fields(card.cls)}
    return {
        "id": card.id,
        "room": card.room,
        "name": card.name,
        "paper": card.paper,
        "summary": card.summary,
        "settings": settings,
    }
