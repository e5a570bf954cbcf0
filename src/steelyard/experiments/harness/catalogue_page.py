"""docs/catalogue.md: every method of the package by room, and what its proof found; written from cards and records."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from steelyard.check import import_rooms
from steelyard.core import Card, cards
from steelyard.experiments.harness.card_text import claim_of, proven, scale_text, trials_text
from steelyard.experiments.harness.cost import core_minutes, cost_text
from steelyard.experiments.harness.criterion import measure_digest
from steelyard.experiments.harness.evidence import null_rate, verdicts
from steelyard.experiments.harness.proof_index import load, proof_modules
from steelyard.experiments.harness.proof_record import Block, ProofRecord, effect_of
from steelyard.experiments.harness.standing import DECIDED, Standing, changed_by_others, standings
from steelyard.experiments.harness.table import markdown

LINKS = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}
PROOF_HEAD = (
    "method",
    "verdict",
    "first block",
    "later block",
    "p",
    "adjusted p",
    "scale",
    "settings tried",
    "looks",
    "core minutes",
)
CLAIM_HEAD = (
    "method",
    "rubric",
    "claim",
    "effect, its interval, what was claimed",
    "later block",
    "control",
    "verdict",
)
OPENING = """# Catalogue

Every method that the package holds, read from the cards in the code: `steelyard methods --page docs/catalogue.md`
writes this page, and a test compares the two. `steelyard methods ID` prints a method's equation, source and settings,
and how it differs from its paper; `steelyard prove ID` runs its proof; [commands.md](commands.md) has the command of
each on your own data; [add-a-method.md](add-a-method.md) says how to add one."""
CRITERION = """\
A claim is *shown* on a block of seeds where the 90 % interval of its effect over paired seeds lies wholly at or above
what was asked for, *not shown* where the mean does not reach it, *too noisy* otherwise; a block's verdict is that of
its worst claim. A relative effect is a mean of logarithms, written in percent. The criterion is stated before the first
run. Where a gain is claimed, the control (the method switched off) must come out *not shown*; where the control cell
is empty, no arm must fail the claim.

A proof is **shown** where its first block shows every claim, its p-value (the largest of its claims', one-sided),
adjusted for the number of proofs by Benjamini and Hochberg, is at most .10, and a later block of fresh seeds shows
every claim again. It is **refuted** where the whole interval of a claim lies below what was claimed, in the first
block: the effect, if there is one, is smaller here. These two are decided. Else a proof is *not shown*, *too noisy*,
*lost among many* (the adjusted p-value is larger, or there is none), *not yet replicated* (one block alone was
measured) or *not replicated*, and more seeds could bring it either way. Records with every figure lie in
[evidence](evidence/);
`steelyard prove --null 400` runs two identical arms through the same test."""


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
    records = {id: record for id, record in verdicts().items() if id in ids}
    waiting = [id for id in ids if id not in records]
    yield "## Proofs"
    yield CRITERION
    if records:
        found = standings(records)
        yield from _summary(records, found, directory)
        yield from (f"`{id}` {told}." for id, told in changed_by_others(records).items())
        yield from _outdated(records)
        yield "### Claims"
        yield markdown(CLAIM_HEAD, (row for record in records.values() for row in _claims(record)))
    if (null := null_rate()) is not None:
        yield f"The null method: {null.text}; by the test's level, 5 % of first blocks are expected."
    if waiting:
        yield f"Not run yet: {', '.join(f'`{id}`' for id in waiting)}."


def _outdated(records: Mapping[str, ProofRecord]) -> Iterator[str]:
    """Which records were measured in another way than their proofs measure today, or do not know in which."""
    modules = proof_modules()
    today = {id: measure_digest(load(modules[id])) for id in records}
    other = [id for id, record in records.items() if record.measure_digest not in (None, today[id])]
    unknown = [id for id, record in records.items() if record.measure_digest is None]
    if other:
        yield f"Measured in another way since, to be proved again: {', '.join(f'`{id}`' for id in other)}."
    if unknown:
        yield f"From before records said how they were measured: {', '.join(f'`{id}`' for id in unknown)}."


def _summary(
    records: Mapping[str, ProofRecord], found: Mapping[str, tuple[Standing, float]], directory: Path
) -> Iterator[str]:
    shown, refuted = (sum(standing == one for standing, _ in found.values()) for one in DECIDED)
    yield f"{len(records)} proofs, {shown} shown and {refuted} refuted; {cost_text(records.values())}."
    yield markdown(PROOF_HEAD, (_proof(record, *found[id], directory) for id, record in records.items()))


def _proof(record: ProofRecord, standing: Standing, adjusted_p: float, directory: Path) -> tuple[str, ...]:
    picture = f"proofs/{record.id}.svg"
    return (
        f"[{record.id}]({picture})" if (directory / picture).is_file() else record.id,
        f"**{standing}**",
        _block(record.first),
        _block(record.later) if record.later is not None else "",
        "unknown" if record.first.p is None else f"{record.first.p:.2g}",
        f"{adjusted_p:.2g}",
        scale_text(record.scale),
        trials_text(record),
        str(len(record.looks)),
        f"{core_minutes(record):.1f}",
    )


def _block(block: Block) -> str:
    return f"{block.verdict} (seeds {block.seeds[0]} to {block.seeds[-1]})"


def _claims(record: ProofRecord) -> Iterator[tuple[str, ...]]:
    """The rubric of a proof: its equation, then one row for each claim; the method stands in the first."""
    if record.conformance is not None:
        for method, passed in record.conformance.items():
            yield (
                record.id,
                "equation",
                f"{method} conforms to its kind",
                f"{passed} checks passed",
                "",
                "",
                "**shown**",
            )
    for number, claim in enumerate(record.claims):
        first = record.first.claims[number]
        later = record.later.claims[number] if record.later is not None else None
        yield (
            record.id,
            claim.kind,
            claim.text,
            effect_of(claim, first),
            "" if later is None else f"{effect_of(claim, later).partition(', claimed')[0]}: {later.verdict}",
            first.control_verdict or "",
            f"**{'refuted' if claim.refuted_by(first) else first.verdict}**",
        )


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
