"""A card that names a proof names one that exists, and that can fail."""

import sys
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace

import pytest

from steelyard.check import UnmetError
from steelyard.check.proof import proof_exists, sound
from steelyard.core import method

CLAIM = SimpleNamespace(text="better by 3 points", metric="accuracy", baseline="reinforce", least=0.03, ours="")
PROOF = SimpleNamespace(
    ours="mine", control="mine-off", equal="the samples", claims=(CLAIM,), measure=lambda *_: iter(())
)


@dataclass(frozen=True)
class Mine:
    """A method."""


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    home = sys.modules["steelyard.core.method"]
    monkeypatch.setattr(home, "_cards", dict(home._cards))


def changed(what, **fields):
    return SimpleNamespace(**{**vars(what), **fields})


def test_who_claims_nothing_needs_no_proof():
    proof_exists(Mine())
    method("mine", room="test-room")(Mine)
    proof_exists(Mine())


def test_a_proof_that_is_not_there(monkeypatch):
    method("mine", proof="recipes.proofs.nowhere", room="test-room")(Mine)
    with pytest.raises(UnmetError, match="cannot be imported"):
        proof_exists(Mine())
    empty = ModuleType("steelyard.recipes.proofs.nowhere", "What is measured.")
    monkeypatch.setitem(sys.modules, empty.__name__, empty)
    with pytest.raises(UnmetError, match="has no PROOF"):
        proof_exists(Mine())
    empty.PROOF = PROOF
    proof_exists(Mine())
    empty.__doc__ = ""
    with pytest.raises(UnmetError, match="does not say what is measured"):
        proof_exists(Mine())


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (changed(PROOF, ours=""), "does not name its arms"),
        (changed(PROOF, control="mine"), "the control is the method itself"),
        (changed(PROOF, equal=" "), "what is equal"),
        (changed(PROOF, measure=None), "cannot be called"),
        (changed(PROOF, claims=()), "claims nothing"),
        (changed(PROOF, claims=(changed(CLAIM, least=0.0),)), "by an arm without effect"),
        (changed(PROOF, claims=(changed(CLAIM, metric=""),)), "no text or no metric"),
        (changed(PROOF, claims=(changed(CLAIM, baseline="mine"),)), "with itself"),
        (changed(PROOF, claims=(changed(CLAIM, baseline="other", ours="other"),)), "with itself"),
    ],
)
def test_a_proof_that_cannot_fail_is_none(broken, said):
    with pytest.raises(UnmetError, match=said):
        sound(broken)


def test_a_sound_proof():
    sound(PROOF)
    sound(changed(PROOF, claims=(CLAIM, changed(CLAIM, baseline=0.5, least=-0.02))))
