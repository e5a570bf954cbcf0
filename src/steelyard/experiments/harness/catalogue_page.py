"""docs/catalogue.md: every method of the package by room, and what its proof found; written from cards and records."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from steelyard.check import import_rooms
from steelyard.core import Card, cards
from steelyard.experiments.harness.card_text import claim_of, proven
from steelyard.experiments.harness.proof_index import proof_modules
from steelyard.experiments.harness.proof_record import ProofRecord, effect_of, published
from steelyard.experiments.harness.table import markdown

LINKS = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}
OPENING = """# Catalogue

Every method that the package holds, read from the cards in the code: `steelyard methods --page docs/catalogue.md`
writes this page, and a test compares the two. `steelyard methods ID` prints a method's equation, source and settings,
and how it differs from its paper; `steelyard prove ID` runs its proof; [add-a-method.md](add-a-method.md) says how to
add one."""
CRITERION = """\
A claim is *shown* where the 90 % interval of its effect over paired seeds lies wholly at or above what
was asked for, *not shown* where the mean does not reach it, *too noisy* otherwise; a proof's verdict is
that of its worst claim. The criterion is stated before the first run. The control is the method
switched off: it must come out *not shown*."""


def write(path: Path) -> None:
    """Write the page.

    Raises:
        OSError: it cannot be written.
    """
    path.write_text(text(path.parent), encoding="utf-8")


def text(directory: Path) -> str:
    """The page, for a directory: pictures of proofs are linked where they lie below it."""
    rooms = import_rooms()
    known = [card for card in cards() if card.cls.__module__.startswith("steelyard.")]
    parts = [OPENING, *_proofs([*proof_modules()], directory)]
    for room in rooms:
        parts += _room(room, [card for card in known if f"steelyard.{card.room}" == room.__name__])
    return "\n\n".join(parts) + "\n"


def _proofs(ids: Sequence[str], directory: Path) -> Iterator[str]:
    records = [record for id in ids if (record := published(id)) is not None]
    waiting = [id for id in ids if published(id) is None]
    yield "## Proofs"
    yield CRITERION
    if records:
        head = ("method", "claim", "effect, its interval, what was claimed", "control", "verdict", "core minutes")
        yield markdown(head, (row for record in records for row in _found(record, directory)))
    if waiting:
        yield f"Not run yet: {', '.join(f'`{id}`' for id in waiting)}."


def _found(record: ProofRecord, directory: Path) -> Iterator[tuple[str, ...]]:
    """One row for each claim; the method, its picture and its minutes stand in the first."""
    picture = f"proofs/{record.id}.png"
    name = f"[{record.id}]({picture})" if (directory / picture).is_file() else record.id
    for claim in record.claims:
        yield (
            name,
            claim.text,
            effect_of(claim),
            claim.control_verdict,
            f"**{claim.verdict}**",
            f"{record.core_minutes:.1f}",
        )
        name = ""


def _room(room: ModuleType, held: Sequence[Card]) -> Iterator[str]:
    name = room.__name__.rpartition(".")[2]
    yield f"## {name}"
    yield (room.__doc__ or "").strip().partition("\n\n")[0].replace("\n", " ")
    rows = ((_source(card), claim_of(card), _paper(card), proven(card)) for card in held)
    yield markdown(("method", "what it is for", "paper", "proof"), rows)


def _source(card: Card) -> str:
    return f"[{card.id}](../src/{card.cls.__module__.replace('.', '/')}.py)"


def _paper(card: Card) -> str:
    kind, _, number = (card.paper or "").partition(":")
    return f"[{card.paper}]({LINKS[kind]}{number})" if kind in LINKS else card.paper or ""
