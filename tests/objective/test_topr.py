import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check import outcome, random_batch
from steelyard.core import Batch, SteelyardError
from steelyard.objective import TOPR, Reinforce


def test_by_hand(batch_of, grad):
    # right answers at ratio 4 and 1/4: weight 1 each; wrong ones at ratio 4 and 1/4: 1 and 1/4. A = 1/2 and -1/2.
    behaviour = [[math.log(0.2), math.log(0.8), math.log(0.2), math.log(0.8)]]
    logp = [[math.log(0.8), math.log(0.2), math.log(0.8), math.log(0.2)]]
    batch = batch_of(logp, [[1.0, 1.0, 0.0, 0.0]], behaviour=behaviour)
    loss = TOPR()(batch)
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([-1 / 8, -1 / 8, 1 / 8, 1 / 32])
    assert loss.metrics == pytest.approx(
        {"objective/taper": 3.25 / 4, "objective/negative": 0.5, "objective/negative_taper": 1.25 / 4}
    )
    assert loss.weight == 1.0


def test_limits_of_zero_learn_from_one_side_alone(batch_of, grad):
    # PSR and NSR on fresh samples: A is +1 or -1 on one side, halved here, and 0 on the other.
    batch = batch_of([[-1.0, -2.0, -3.0]], [[1.0, 0.0, 0.0]], behaviour=[[-1.0, -2.0, -3.0]])
    negatives = TOPR(positive=(0.0, 0.0))(batch)
    assert grad(negatives.value, batch).flatten().tolist() == pytest.approx([0.0, 1 / 6, 1 / 6])
    positives = TOPR(negative=(0.0, 0.0))(batch)
    assert grad(positives.value, batch).flatten().tolist() == pytest.approx([-1 / 6, 0.0, 0.0])


def test_ratio_is_of_the_whole_sequence_and_of_its_actions_alone():
    logp_PGT = torch.tensor([[[-9.0, -1.0, -2.0]]], dtype=torch.float64, requires_grad=True)
    batch = Batch(
        logp_PGT=logp_PGT,
        action_PGT=torch.tensor([[[False, True, True]]]),
        valid_PG=torch.ones(1, 1, dtype=torch.bool),
        reward_PG=torch.zeros(1, 1, dtype=torch.float64),
        logp_behaviour_PGT=torch.tensor([[[0.0, -0.5, -0.5]]], dtype=torch.float64),
    )
    (got,) = torch.autograd.grad(TOPR()(batch).value, logp_PGT)
    assert got.flatten().tolist() == pytest.approx([0.0, math.exp(-2) / 2, math.exp(-2) / 2])


@pytest.mark.parametrize("seed", range(3))
def test_untapered_without_baseline_it_is_reinforce(seed):
    batch = random_batch(seed=seed)
    naive = outcome(TOPR(baseline=0.0, negative=(1.0, 1.0)), batch)
    reinforce = outcome(Reinforce(), batch)
    assert torch.equal(naive.by_logp_PGT, reinforce.by_logp_PGT)
    assert torch.equal(naive.loss.value, reinforce.loss.value)


def test_on_fresh_samples_the_taper_does_nothing():
    batch = random_batch()
    fresh = batch.replace(logp_behaviour_PGT=batch.logp_PGT)
    plain = outcome(TOPR(negative=(1.0, 1.0)), fresh)
    truncated = outcome(TOPR(positive=(0.0, 1.0)), fresh)
    for got in (outcome(TOPR(), fresh), truncated):
        assert torch.allclose(got.by_logp_PGT, plain.by_logp_PGT, atol=1e-12)
        assert got.loss.metrics["objective/taper"] == pytest.approx(1.0)


def test_positives_alone_ignore_wrong_answers():
    batch = random_batch()
    got = outcome(TOPR(negative=(0.0, 0.0)), batch).by_logp_PGT
    right_PG = (batch.reward_PG >= 0.5) & batch.valid_PG
    assert not got[~right_PG].any()
    assert torch.equal(got[right_PG], outcome(TOPR(), batch).by_logp_PGT[right_PG])


@given(p=st.floats(0.05, 0.95), c=st.floats(0.05, 0.95))
def test_the_baseline_acts_as_another_share_of_right_answers(p, c):
    # paper: rewards of +-1 and baseline c' = 2 c - 1 act as the share p (1 - c') / (1 + (1 - 2 p) c')
    paper = p * (2 - 2 * c) / (1 + (1 - 2 * p) * (2 * c - 1))
    right, wrong = p * (1 - c), (1 - p) * c
    assert right / (right + wrong) == pytest.approx(paper)
    assert p * (1 - c) / (p + c - 2 * p * c) == pytest.approx(paper)


@given(gap=st.floats(-2000.0, 2000.0), reward=st.sampled_from([0.0, 1.0]))
def test_a_weight_is_never_outside_its_limits(gap, reward):
    batch = Batch(
        logp_PGT=torch.full((1, 1, 1), gap, dtype=torch.float64, requires_grad=True),
        action_PGT=torch.ones(1, 1, 1, dtype=torch.bool),
        valid_PG=torch.ones(1, 1, dtype=torch.bool),
        reward_PG=torch.full((1, 1), reward, dtype=torch.float64),
        logp_behaviour_PGT=torch.zeros(1, 1, 1, dtype=torch.float64),
    )
    taper = TOPR()(batch).metrics["objective/taper"]
    assert taper == (1.0 if reward else pytest.approx(math.exp(min(gap, 0.0))))


@pytest.mark.parametrize("limits", [(1.0, 0.0), (-1.0, 1.0), (0.0, float("inf"))])
def test_wrong_settings_are_refused(limits):
    with pytest.raises(SteelyardError, match=r"topr\.negative"):
        TOPR(negative=limits)


def test_missing_behaviour_is_named():
    with pytest.raises(ValueError, match="logp_behaviour_PGT"):
        TOPR()(random_batch().replace(logp_behaviour_PGT=None))
