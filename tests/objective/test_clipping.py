import math

import pytest
import torch

from steelyard.check import OBJECTIVE_CHECKS
from steelyard.objective import GRPO, PPO, TOPR, ProximalRLOO, TBAPrime, Unified
from steelyard.objective.clipping import clipped_advantage, exp_ratio

LOGP = [[math.log(0.5), math.log(0.5), math.log(0.5), math.log(0.5)]]


def test_a_step_is_clipped_on_the_side_its_advantage_pushes_to(batch_of):
    # ratios 2, 2, 1/2, 1/2
    behaviour = [[math.log(0.25), math.log(0.25), 0.0, 0.0]]
    batch = batch_of(LOGP, behaviour=behaviour)
    advantage_PG = torch.tensor([[3.0, -3.0, 3.0, -3.0]], dtype=torch.float64)
    weight_PGT, metrics = clipped_advantage(batch, advantage_PG, 0.2)
    assert torch.allclose(weight_PGT.flatten(), torch.tensor([0.0, -6.0, 1.5, 0.0], dtype=torch.float64))
    assert metrics["objective/clip_share"] == 0.5
    assert metrics["objective/ratio"] == pytest.approx(1.25)


def test_at_ratio_one_the_weight_is_the_advantage(batch_of):
    batch = batch_of(LOGP, behaviour=LOGP)
    advantage_PG = torch.tensor([[1.0, -2.0, 0.0, 4.0]], dtype=torch.float64)
    weight_PGT, metrics = clipped_advantage(batch, advantage_PG, 0.2)
    assert torch.equal(weight_PGT[..., 0], advantage_PG)
    assert metrics == {"objective/clip_share": 0.0, "objective/ratio": 1.0}


def test_it_needs_the_behaviour(batch_of):
    with pytest.raises(ValueError, match="logp_behaviour_PGT"):
        clipped_advantage(batch_of(LOGP), torch.zeros(1, 4, dtype=torch.float64), 0.2)


@pytest.mark.parametrize(
    "objective",
    [
        GRPO(beta=0.04),
        GRPO(clip=1e9),
        PPO(clip=1e9, beta=1.0),
        ProximalRLOO(beta=0.1, clip=1e9),
        TOPR(positive=(0.0, 1e9), negative=(0.0, 1e9)),
        TBAPrime(clamp=1e9),
        *(Unified(stable="all", denominator=d) for d in ("behaviour", "sequence")),
        *(Unified(stable="cut", denominator=d) for d in ("behaviour", "sequence")),
    ],
    ids=repr,
)
def test_ratios_stay_finite_at_other_settings(objective):
    OBJECTIVE_CHECKS["far-policies"](objective)


def test_ratios_up_to_twenty_nats_are_exact():
    gap = torch.tensor([-99.0, -1.0, 0.0, 3.0, 20.0], dtype=torch.float64)
    assert torch.equal(exp_ratio(gap), gap.exp())
    assert exp_ratio(torch.tensor([21.0, 1e4, -1e4])).tolist() == pytest.approx([4.851652e8, 4.851652e8, 0.0])
