"""`steelyard methods [ID]`: what is registered, read from the cards in the code."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from steelyard import recipes  # fills the registry
from steelyard.cli.flags import parse
from steelyard.core import Card, SteelyardError, cards, encode, find, suggest


@dataclass(frozen=True)
class Methods:
    """List the registered methods, or explain one."""

    id: Annotated[str | None, tyro.conf.Positional] = None
    """A method to explain: its equation, source, and settings with their defaults."""
    room: str | None = None
    """List one room only."""


def run(arguments: Sequence[str]) -> dict[str, Any]:
    """Print the list or the card."""
    asked = parse(Methods, arguments, command="methods")
    assert recipes.names()
    if asked.id is not None:
        card = find(asked.id)
        print(explain(card))
        return _data(card)
    rooms = sorted({card.room for card in cards()})
    if asked.room is not None and asked.room not in rooms:
        raise SteelyardError(f"no method lives in room {asked.room!r}", where="--room", mend=suggest(asked.room, rooms))
    listed = cards(asked.room)
    for card in listed:
        print(f"{card.room:<11} {card.id:<18} {card.paper or '':<18} {card.summary}")
    return {"methods": [_data(card) for card in listed]}


def explain(card: Card) -> str:
    """A card as text: what it is, where it comes from, its settings."""
    lines = [f"{card.id} ({card.room}, {card.name})", "", card.text, "", "settings:"]
    lines += [f"  {f.name} = {json.dumps(encode_default(f))}" for f in dataclasses.fields(card.cls)] or ["  (none)"]
    return "\n".join(lines)


def encode_default(field: "dataclasses.Field[Any]") -> Any:
    """A setting's default as JSON; "required" where it has none."""
    if field.default is not dataclasses.MISSING:
        default = field.default
    elif field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    else:
        return "required"
    return encode(default) if dataclasses.is_dataclass(default) else default


def _data(card: Card) -> dict[str, Any]:
    settings = {f.name: encode_default(f) for f in dataclasses.fields(card.cls)}
    return {
        "id": card.id,
        "room": card.room,
        "name": card.name,
        "paper": card.paper,
        "summary": card.summary,
        "settings": settings,
    }
