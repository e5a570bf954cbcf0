"""A method's card in words and as JSON: what the catalogue and `steelyard methods` show."""

import dataclasses
from typing import Any

from steelyard.check import help_of
from steelyard.core import Card, encode
from steelyard.experiments.harness.evidence import verdicts
from steelyard.experiments.harness.proof_index import load, proof_modules, proof_of
from steelyard.experiments.harness.proof_record import Block, ProofRecord, Scale, effect_of
from steelyard.experiments.harness.spread import short
from steelyard.experiments.harness.standing import standings
from steelyard.runtime import to_json


def claim_of(card: Card) -> str:
    """What its paper says it gains; where the card does not say, what it is."""
    text = card.claim or card.summary
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def record_of(card: Card) -> ProofRecord | None:
    """The published record of its proof, if there is one."""
    id = proof_of(card.id)
    return verdicts().get(id) if id else None


def proven(card: Card) -> str:
    """The verdict among all proofs; "not run" where there is only a proof, nothing where there is none."""
    id = proof_of(card.id)
    if id is None:
        return ""
    return standings(verdicts())[id][0] if id in verdicts() else "not run"


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
    """The figures of a proof, block by block and claim by claim, and what they rest on."""
    blocks = [("first", record.first), *([("later", record.later)] if record.later else [])]
    lines = [line for name, block in blocks for line in _block(record, name, block)]
    adjusted_p = standings(verdicts())[record.id][1]
    lines += [f"  adjusted p among {len(verdicts())} proofs: {adjusted_p:.2g}", f"  scale: {scale_text(record.scale)}"]
    return [*lines, f"  settings tried: {trials_text(record)}; looks at these seeds: {len(record.looks)}"]


def _block(record: ProofRecord, name: str, block: Block) -> list[str]:
    p = "unknown" if block.p is None else f"{block.p:.2g}"
    seeds = ", ".join(map(str, block.seeds))
    head = f"  {name} block: {block.verdict}; seeds {seeds}; p {p}; {block.core_minutes:.1f} core minutes"
    pairs = zip(record.claims, block.claims, strict=True)
    return [head, *(f"    {c.kind}: {c.text}: {effect_of(c, found)} ({found.verdict})" for c, found in pairs)]


def scale_text(scale: Scale | None) -> str:
    """The scale of a proof in words."""
    if scale is None:
        return "not recorded"
    tokens = "" if scale.tokens is None else f", {short(float(scale.tokens))} tokens"
    return f"{short(float(scale.parameters))} parameters{tokens}"


def trials_text(record: ProofRecord) -> str:
    """How many settings were tried, by arm; where none were, whether there was a learning rate to choose."""
    if record.trials is not None:
        return ", ".join(f"{arm} {num}" for arm, num in record.trials.items())
    module = proof_modules().get(record.id)
    return "no learning rate to choose" if module and not load(module).rates else "not counted"


def default_of(field: "dataclasses.Field[Any]") -> object:
    """A setting's default as JSON; "required" where it has none."""
    if field.default is not dataclasses.MISSING:
        default = field.default
    elif field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    else:
        return "required"
    return _as_json(default)


def _as_json(default: object) -> object:
    if isinstance(default, tuple):
        return tuple(map(_as_json, default))
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
        "claims": _claims(record) if record else [],
        "replicated": record.later.verdict == "shown" if record and record.later else None,
    }


def _claims(record: ProofRecord) -> list[dict[str, object]]:
    """Each claim with its figures on the first block."""
    return [
        {
            "text": claim.text,
            "kind": claim.kind,
            "relative": claim.relative,
            "effect": found.effect,
            "interval": found.interval,
            "p": found.p,
            "min_effect": claim.min_effect,
            "verdict": found.verdict,
        }
        for claim, found in zip(record.claims, record.first.claims, strict=True)
    ]
