"""The effective sample size, by hand."""

import math

import numpy as np
import pytest
import torch

from steelyard.core import Sampling, Trajectory
from steelyard.learner.collate import collate
from steelyard.learner.effective_sample_size import effective_share, log_ratios


def sampled(logp, *, reward=1.0, **more):
    """A prompt of one token, and a completion with these log-probabilities."""
    logp_T = np.array([0.0, *logp], np.float32)
    return Trajectory(
        prompt_id="p", tokens_T=np.arange(len(logp_T), dtype=np.int32), action_T=np.arange(len(logp_T)) > 0,
        logp_behaviour_T=logp_T, version=0, digest="d", sampling=Sampling(), finish="stop", reward=reward,
    ).replace(**more)  # fmt: skip


def test_weights_of_one_two_and_three_by_hand():
    """(1 + 2 + 3)^2 / (1 + 4 + 9) = 36 / 14 = 2.571 of 3, in two micro-batches."""
    log_w = [torch.tensor([1.0, 2.0]).log(), torch.tensor([3.0]).log()]
    assert effective_share(log_w) == pytest.approx(36 / 14 / 3)


def test_the_ratio_of_a_whole_completion():
    """Two completions that the policy now likes twice as much, token for token, and one that it likes as before."""
    group = [sampled([-1.0, -1.0]), sampled([-2.0]), sampled([-3.0, -1.0])]
    batch = collate([group])
    more_PGT = torch.tensor([[[9.0, math.log(2), math.log(2)], [9.0, math.log(2), 9.0], [9.0, 0.0, 0.0]]])
    batch = batch.replace(logp_PGT=batch.logp_behaviour_PGT + more_PGT)  # what is no action counts for nothing
    found = log_ratios(batch, [group])
    assert found.exp().tolist() == pytest.approx([4.0, 2.0, 1.0])
    assert effective_share([found]) == pytest.approx(49 / 21 / 3)


def test_failed_samples_and_demonstrations_do_not_count():
    group = [sampled([-1.0]), sampled([-1.0], reward=None), sampled([0.0], labels={"demonstration": True})]
    batch = collate([group])
    assert log_ratios(batch.replace(logp_PGT=batch.logp_behaviour_PGT), [group]).tolist() == [0.0]
    assert effective_share([]) is None
    assert effective_share([torch.zeros(0)]) is None
    assert effective_share([torch.tensor([-math.inf, -math.inf])]) is None


def test_it_is_one_on_policy_and_1_over_n_where_one_weight_has_all():
    assert effective_share([torch.full((8,), -700.0)]) == pytest.approx(1.0)
    assert effective_share([torch.tensor([800.0, 0.0, 0.0, 0.0], dtype=torch.float64)]) == pytest.approx(0.25)
