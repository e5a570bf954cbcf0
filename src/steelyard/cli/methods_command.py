"""`steelyard methods [ID]`: what is registered, read from the cards in the code and the records of their proofs."""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from steelyard.check import import_rooms
from steelyard.cli import own_data
from steelyard.cli.flags import parse
from steelyard.core import Card, SteelyardError, cards, find, require, suggest
from steelyard.experiments.harness import catalogue_page
from steelyard.experiments.harness.card_text import claim_of, data_of, explain, proven
from steelyard.report.folding import fold, say_out


@dataclass(frozen=True)
class Methods:
    """List the methods that this installation knows, or explain one: its equation, its source and its settings."""

    id: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[ID]")] = None
    """The method to explain."""
    room: str | None = None
    """List one room only, such as objective."""
    page: str | None = None
    """Write the list as a page of Markdown to this file, in place of what is there: docs/catalogue.md is one."""
    commands: str | None = None
    """Write each method's command on your own data to this file, in place of what is there: docs/commands.md is one."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Print the list or the card, or write the page."""
    asked = parse(Methods, words, command="methods")
    import_rooms()
    rooms = sorted({card.room for card in cards()})
    if asked.room is not None and asked.room not in rooms:
        raise SteelyardError(f"no method lives in room {asked.room!r}", where="--room", hint=suggest(asked.room, rooms))
    if asked.page is not None:
        require(asked.id is None and asked.room is None, "is of all methods", where="--page", hint="give no other word")
        return {"page": _write(Path(asked.page), "--page", catalogue_page.write)}
    if asked.commands is not None:
        return {"page": _write(Path(asked.commands), "--commands", own_data.write)}
    if asked.id is not None:
        card = find(asked.id)
        say_out(explain(card))
        return data_of(card)
    listed = cards(asked.room)
    _print(listed)
    return {"methods": [data_of(card) for card in listed]}


def _print(listed: Sequence[Card]) -> None:
    """One line for each; on a terminal that has no room for it, its claim in lines of their own."""
    width = max(len(card.id) for card in listed)
    columns = shutil.get_terminal_size().columns
    for card in listed:
        row = f"{card.room:<11} {card.id:<{width}} {card.paper or '':<23} {proven(card):<18}"
        if sys.stdout.isatty() and len(row) + len(claim_of(card)) >= columns:
            print(row.rstrip(), fold(f"    {claim_of(card)}", columns, -2), sep="\n")
        else:
            print(f"{row} {claim_of(card)}")


def _write(page: Path, flag: str, write: Callable[[Path], None]) -> str:
    hint = "name a file in a directory that is there, such as docs/catalogue.md"
    require(page.parent.is_dir() and not page.is_dir(), f"{page} cannot be written", where=flag, hint=hint)
    write(page)
    print(f"written: {page}")
    return str(page)
