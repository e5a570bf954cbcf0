"""Which objectives may be trained on what a decode rule chose: their `Needs` say it."""

from typing import Any

import pytest

from steelyard.core import SteelyardError, cards, needs_of
from steelyard.decode import CNTP
from steelyard.objective import CGPO, CODPO, OAPL, DrGRPO, Unified, VarGradTB
from steelyard.runtime import Run
from steelyard.task import Arithmetic

PAIRS = {"codpo", "dpo", "ipo", "kto", "mdpo", "mipo", "step-kto"}
ANY_SAMPLES = PAIRS | {"asymmetric-reinforce", "crraft", "ibpo", "kimi", "learned-z-tb", "sft", "sub-tb", "vargrad-tb"}


def test_every_objective_says_whether_its_samples_must_be_draws_of_a_policy() -> None:
    ours = [card for card in cards("objective") if card.cls.__module__.startswith("steelyard.")]
    found = {card.id for card in ours if not needs_of(card.cls()).true_samples}
    assert found == ANY_SAMPLES


def test_it_follows_the_settings() -> None:
    assert needs_of(DrGRPO(importance_ratio=False)).true_samples, "no ratio: a mean over samples of the policy"
    assert not needs_of(Unified(denominator="current", advantage="one")).true_samples, "imitation"
    assert needs_of(Unified(denominator="current", advantage="centred")).true_samples
    assert needs_of(OAPL(lagged="reference")).true_samples
    assert not needs_of(CGPO(CODPO(), CODPO(), CODPO(), CODPO(), CODPO())).true_samples


def test_a_run_refuses_a_rule_by_it() -> None:
    def run(objective: Any, **settings: Any) -> Run:
        return Run(Arithmetic(), objective, "steelyard/arithmetic", decode=CNTP(), **settings)

    assert run(VarGradTB()).rule_name == "cntp"
    with pytest.raises(SteelyardError, match=r"^--decode: DrGRPO learns from samples of the policy, and cntp chooses"):
        run(DrGRPO())
    with pytest.raises(SteelyardError, match=r"^--in-flight: is set, but a decode rule goes on"):
        run(VarGradTB(), in_flight=True)
