"""Settings that are one of several words are checked with each of them; here is a method with a choice that is wrong.

    L = - mean_x sum_j log pi(y_j|x)

P prompts, G samples, T steps. Source: none.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import pytest

from steelyard.check import check_method, import_rooms
from steelyard.check.choices import choices, literals
from steelyard.core import Batch, Loss, Needs, SteelyardError, cards
from steelyard.objective.kernels import weighted_likelihood
from steelyard.objective.reduce import num_prompts

import_rooms()
CHOOSING = [card for card in cards() if card.room in ("objective", "unlearn") and literals(card.cls)]


@pytest.mark.parametrize("card", CHOOSING, ids=lambda card: card.id)
def test_every_choice_of_an_objective_conforms(card):
    found = [result for result in check_method(card) if "=" in result.check]
    assert found, "no choice was tried"
    assert [f"{result.check}: {result.reason}" for result in found if not result.passed] == []


@dataclass(frozen=True)
class Choosy:
    """One choice is wrong."""

    needs: ClassVar[Needs] = Needs()

    how: Literal["well", "badly", "not alone"] = "well"
    """In which way."""

    def __post_init__(self) -> None:
        if self.how == "not alone":
            raise SteelyardError("needs more", where="how", hint="say more")

    def __call__(self, batch: Batch) -> Loss:
        weight_PGT = batch.logp_PGT.detach() * 0 + (1.0 if self.how == "well" else float("inf"))
        return weighted_likelihood(batch, weight_PGT, normaliser=num_prompts(batch.valid_PG))


def test_a_choice_that_fails_is_named_and_one_that_cannot_stand_alone_is_left_out():
    assert [name for name, _ in choices(Choosy)] == ["how=badly"]
    found = {result.check: result for result in check_method(Choosy)}
    assert found["finite"].passed
    assert not found["how=badly"].passed
    assert found["how=badly"].reason.startswith("finite: ")
    assert found["cli-round-trip"].passed
