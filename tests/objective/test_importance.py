import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check import random_batch
from steelyard.core import Batch
from steelyard.objective.importance import importance_ratio, masked, step_mean, step_ratio


@pytest.fixture
def batch():
    """One answer of two actions after a step that is none; log-ratios 1 and -3 nats."""
    return Batch(
        logp_PGT=torch.tensor([[[-9.0, -1.0, -4.0]]], dtype=torch.float64, requires_grad=True),
        action_PGT=torch.tensor([[[False, True, True]]]),
        valid_PG=torch.ones(1, 1, dtype=torch.bool),
        logp_behaviour_PGT=torch.tensor([[[0.0, -2.0, -1.0]]], dtype=torch.float64),
    )


def test_each_action_has_its_ratio(batch):
    ratio_PGT = importance_ratio(batch)
    assert ratio_PGT.flatten()[1:].tolist() == pytest.approx([math.e, math.exp(-3)])
    assert not ratio_PGT.requires_grad
    assert torch.equal(ratio_PGT, step_ratio(batch, batch.logp_PGT, batch.logp_behaviour_PGT))


def test_a_sequence_has_one_ratio_of_its_actions_alone(batch):
    assert importance_ratio(batch, "sequence").flatten()[1:].tolist() == pytest.approx([math.exp(-2)] * 2)


def test_means_are_over_actions_then_samples_then_prompts():
    # the first answer has one action of two in the mask, the second its only one; the third is not valid
    action_PGT = torch.tensor([[[True, True], [True, False], [True, True]]])
    valid_PG = torch.tensor([[True, True, False]])
    batch = Batch(logp_PGT=torch.zeros(1, 3, 2), action_PGT=action_PGT, valid_PG=valid_PG)
    assert step_mean(torch.tensor([[[True, False], [True, True], [False, False]]]), batch) == 0.75


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_ratios_of_far_policies_are_finite(level):
    batch = random_batch()
    far = batch.replace(logp_behaviour_PGT=batch.logp_behaviour_PGT - 1e4)
    assert importance_ratio(far, level).max() == pytest.approx(math.exp(20))


def test_the_behaviour_is_needed():
    with pytest.raises(ValueError, match="logp_behaviour_PGT"):
        importance_ratio(random_batch().replace(logp_behaviour_PGT=None))


@given(ratio=st.floats(0, 1e9), low=st.floats(0, 2), high=st.floats(0, 1e9) | st.just(math.inf))
def test_a_masked_ratio_is_itself_or_nothing(ratio, low, high):
    got = masked(torch.tensor(ratio, dtype=torch.float64), low, high).item()
    assert got == (ratio if low <= ratio <= high else 0.0)
