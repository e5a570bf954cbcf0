"""A method's card in words and as JSON: what the catalogue and `steelyard methods` show."""

import dataclasses
from typing import Any

from steelyard.check import help_of
from steelyard.core import Card, encode
from steelyard.experiments.harness.proof_index import proof_of
from steelyard.experiments.harness.proof_record import ProofRecord, effect_of, published, verdict_of
from steelyard.runtime import to_json

_OF_A_CLAIM = ("text", "effect", "interval", "min_effect", "verdict")


def claim_of(card: Card) -> str:
    """What its paper says it gains; where the card does not say, what it is."""
    text = card.claim or card.summary
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def record_of(card: Card) -> ProofRecord | None:
    """The published record of its proof, if there is one."""
    return published(id) if (id := proof_of(card.id)) else None


def proven(card: Card) -> str:
    """The published verdict; "not run" where there is only a proof, nothing where there is none."""
    return (verdict_of(id) or "not run") if (id := proof_of(card.id)) else ""


def explain(card: Card) -> str:
    """A card as text: what it is, where it comes from, its settings, its proof."""
    lines = [f"{card.id} ({card.room}, {card.name})", "", card.text, ""]
    if card.claim:
        lines += [f"claim: {card.claim}", ""]
    lines += _settings(card)
    if card.exemptions:
        lines += ["", "excused from:", *(f"  {check}: {reason}" for check, reason in card.exemptions.items())]
    if (id := proof_of(card.id)) is not None:
        record = record_of(card)
        lines += ["", f"proof: steelyard prove {id}", f"  {proven(card)}", *(_found(record) if record else ())]
    return "\n".join(lines)


def _settings(card: Card) -> list[str]:
    """Each setting with its default, and its line of help below it."""
    help = help_of(card.cls)
    lines = ["settings:"]
    for f in dataclasses.fields(card.cls):
        lines.append(f"  {f.name} = {to_json(default_of(f))}")
        if f.name in help:
            lines.append(f"      {help[f.name]}")
    return lines if len(lines) > 1 else [*lines, "  (none)"]


def _found(record: ProofRecord) -> list[str]:
    """The figures of a proof, claim by claim."""
    seeds = (
        f"seeds {', '.join(map(str, record.seeds))}; {record.core_minutes:.1f} core minutes; control: {record.control}"
    )
    return [f"  {seeds}", *(f"  {claim.text}: {effect_of(claim)} ({claim.verdict})" for claim in record.claims)]


def default_of(field: "dataclasses.Field[Any]") -> object:
    """A setting's default as JSON; "required" where it has none."""
    if field.default is not dataclasses.MISSING:
        default = field.default
    elif field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    else:
        return "required"
    return encode(default) if dataclasses.is_dataclass(default) else default


def data_of(card: Card) -> dict[str, object]:
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
        "proof": f"steelyard prove {id}" if (id := proof_of(card.id)) else None,
        "verdict": proven(card),
        "claims": []
        if record is None
        else [
            {
                "text": c.text,
                "effect": c.effect,
                "interval": c.interval,
                "min_effect": c.min_effect,
                "verdict": c.verdict,
            }
            for c in record.claims
        ],
    }
