"""The proof that a card names: it is there, and it can fail."""

import importlib
from typing import Any

from steelyard.check.verdict import UnmetError, demand
from steelyard.core import cards


def proof_exists(method: Any) -> None:
    """The module that the card names has a `PROOF` of this method, with a control and a claim that can fail.

    A method without a card, or whose card names no proof, claims nothing.
    """
    name = next((card.proof for card in cards() if card.cls is type(method)), None)
    if name is None:
        return
    try:
        module = importlib.import_module(f"steelyard.{name}")
    except ImportError as error:
        raise UnmetError(f"the proof steelyard.{name} cannot be imported: {error}") from error
    proof = getattr(module, "PROOF", None)
    demand(proof is not None, f"steelyard.{name} has no PROOF")
    demand(bool((module.__doc__ or "").strip()), f"steelyard.{name} does not say what is measured")
    sound(proof)


def sound(proof: Any) -> None:
    """A proof has arms that differ, says what is equal between them, and claims something its control cannot meet."""
    demand(bool(proof.ours) and bool(proof.control), "the proof does not name its arms")
    demand(proof.ours != proof.control, "the control is the method itself")
    demand(bool(proof.equal.strip()), "the proof does not say what is equal between its arms")
    demand(callable(proof.measure), "the proof's measure cannot be called")
    demand(len(proof.claims) > 0, "the proof claims nothing")
    demand(any(claim.least > 0 for claim in proof.claims), "every claim of the proof is met by an arm without effect")
    for claim in proof.claims:
        ours = claim.ours or proof.ours
        demand(bool(claim.text) and bool(claim.metric), "a claim has no text or no metric")
        demand(claim.baseline != ours, f"the claim {claim.text!r} compares {ours} with itself")
