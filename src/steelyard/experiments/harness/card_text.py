"""A method's card in words and as JSON: what the catalogue and `steelyard methods` show."""

import dataclasses
from typing import Any

from steelyard.check import help_of
from steelyard.core import Card, encode
from steelyard.experiments.harness.record import Record, effect_of, published, verdict_of
from steelyard.runtime import to_json


def claim_of(card: Card) -> str:
    """What its paper says it gains; where the card does not say, what it is."""
    text = card.claim or card.summary
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def proof_id(card: Card) -> str | None:
    """The id under which its proof is recorded: that of the method whose name the proof's file has."""
    return card.proof and card.proof.rpartition(".")[2].replace("_", "-")


def record_of(card: Card) -> Record | None:
    """The published record of its proof, if there is one."""
    return published(id) if (id := proof_id(card)) else None


def proven(card: Card) -> str:
    """The published verdict; "not run" where there is only a proof, nothing where there is none."""
    return (verdict_of(id) or "not run") if (id := proof_id(card)) else ""


def explain(card: Card) -> str:
    """A card as text: what it is, where it comes from, its settings, its proof."""
    lines = [f"{card.id} ({card.room}, {card.name})", "", card.text, ""]
    if card.claim:
        lines += [f"claim: {card.claim}", ""]
    help = help_of(card.cls)
    fields = dataclasses.fields(card.cls)
    lines += ["settings:"]
    for f in fields:
        lines += [f"  {f.name} = {to_json(default_of(f))}", *([f"      {help[f.name]}"] if f.name in help else [])]
    lines += [] if fields else ["  (none)"]
    if card.exemptions:
        lines += ["", "excused from:", *(f"  {check}: {reason}" for check, reason in card.exemptions.items())]
    if card.proof:
        record = record_of(card)
        lines += [
            "",
            f"proof: steelyard prove {proof_id(card)}",
            f"  {proven(card)}",
            *(_found(record) if record else ()),
        ]
    return "\n".join(lines)


def _found(record: Record) -> list[str]:
    """The figures of a proof, claim by claim."""
    seeds = (
        f"seeds {', '.join(map(str, record.seeds))}; {record.core_minutes:.1f} core minutes; control: {record.control}"
    )
    return [f"  {seeds}", *(f"  {claim.text}: {effect_of(claim)} ({claim.verdict})" for claim in record.claims)]


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
    record = record_of(card)
    return {
        "id": card.id,
        "room": card.room,
        "name": card.name,
        "paper": card.paper,
        "claim": card.claim,
        "summary": card.summary,
        "equation": card.equation,
        "source": card.part("Source"),
        "differs": card.part("Differs"),
        "settings": {f.name: default_of(f) for f in dataclasses.fields(card.cls)},
        "help": help_of(card.cls),
        "exemptions": dict(card.exemptions),
        "proof": f"steelyard prove {proof_id(card)}" if card.proof else None,
        "verdict": proven(card),
        "claims": []
        if record is None
        else [
            {"text": c.text, "effect": c.effect, "interval": c.interval, "least": c.least, "verdict": c.verdict}
            for c in record.claims
        ],
    }
