import math

import pytest
import torch

from steelyard.check import random_batch
from steelyard.core import Batch, SteelyardError
from steelyard.objective import GRPO, SFT, DrGRPO, Objective, Reinforce, Unified


def gradient(objective: Objective, batch: Batch) -> torch.Tensor:
    logp_PGT = batch.logp_PGT.clone().requires_grad_()
    return torch.autograd.grad(objective(batch.replace(logp_PGT=logp_PGT)).value, logp_PGT)[0]


@pytest.mark.parametrize(
    ("setting", "known"),
    [
        (Unified(), GRPO()),
        (Unified(clip=0.05), GRPO(clip=0.05)),
        (Unified("current", "all", "reward", per_token=False), Reinforce()),
        (Unified("behaviour", "clip", "centred", per_token=False), DrGRPO()),
        (Unified("current", "all", "centred", per_token=False), DrGRPO(importance_ratio=False)),
    ],
    ids=["grpo", "grpo, narrow", "reinforce", "dr-grpo", "dr-grpo without a ratio"],
)
def test_settings_are_the_methods_that_we_have(setting, known):
    batch = random_batch()
    torch.testing.assert_close(gradient(setting, batch), gradient(known, batch), rtol=1e-12, atol=1e-14)


def test_with_an_advantage_of_one_it_is_imitation(batch_of, grad):
    one = Unified("current", "all", "one")
    batch = batch_of([[-1.0], [-2.0]])  # equal lengths, one sample a prompt: SFT's mean over tokens is this mean
    torch.testing.assert_close(grad(one(batch).value, batch), grad(SFT()(batch).value, batch))


def test_ppo_cispo_and_gspo_by_hand(batch_of, grad):
    """Two one-step answers with rewards 1 and 0, ratios 2 and 2: advantages 1/2 and -1/2, each over a group of two."""
    two = math.log(2.0)
    batch = batch_of([[two - 3, two - 3]], [[1.0, 0.0]], behaviour=[[-3.0, -3.0]])

    def weights(setting: Unified) -> list[float]:
        return (-2 * grad(setting(batch).value, batch)).flatten().tolist()

    assert weights(Unified("behaviour", "clip", "centred")) == pytest.approx([0.0, -1.0])  # the good one is clipped
    assert weights(Unified("behaviour", "cut", "centred")) == pytest.approx([0.6, -0.6])  # both at 1.2
    assert weights(Unified("behaviour", "all", "centred")) == pytest.approx([1.0, -1.0])
    assert weights(Unified("sequence", "clip", "centred", clip=2.0)) == pytest.approx([1.0, -1.0])


def test_the_sequence_ratio_is_the_geometric_mean_of_a_samples_ratios():
    batch = random_batch()
    own = gradient(Unified("sequence", "all", "centred"), batch)
    steps_PGT = batch.action_PGT & batch.valid_PG[..., None]
    gap_PG = (batch.logp_PGT - batch.field("logp_behaviour_PGT")).where(steps_PGT, 0).sum(-1) / steps_PGT.sum(-1)
    plain = gradient(Unified("current", "all", "centred"), batch)
    torch.testing.assert_close(own, plain * gap_PG.nan_to_num().exp()[..., None])


def test_where_nothing_is_stable_nothing_is_learned(batch_of, grad):
    batch = batch_of([[0.0, -3.0]], [[1.0, 0.0]], behaviour=[[-3.0, 0.0]])
    loss = Unified(advantage="centred")(batch)
    assert not grad(loss.value, batch).any()
    assert loss.metrics["objective/stable_share"] == 0
    with pytest.raises(SteelyardError, match=r"unified\.clip"):
        Unified(clip=0.0)
