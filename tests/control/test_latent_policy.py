"""A policy told a latent: its probabilities by hand, and by what it acts."""

import math

import numpy as np
import pytest
import torch

from steelyard.control.latent_policy import BestPromise, LatentPolicy
from steelyard.control.offline import Sizes


def zeroed(sizes: Sizes, latents: int) -> LatentPolicy:
    policy = LatentPolicy(sizes, latents, 4)
    for parameter in policy.parameters():
        torch.nn.init.zeros_(parameter)
    return policy


def test_choices_and_numbers_by_hand() -> None:
    choices = zeroed(Sizes(2, 4, False), 3)
    assert choices.logp(torch.ones(1, 2), torch.eye(4)[:1])[0].tolist() == pytest.approx([-math.log(4)] * 3)
    numbers = zeroed(Sizes(2, 2, True), 1)  # mean 0, spread 1
    logp = numbers.logp(torch.ones(1, 2), torch.tensor([[1.0, 0.5]]))
    assert logp.item() == pytest.approx(-(1 + 0.25) / 2 - math.log(2 * math.pi))


def test_it_acts_by_the_highest_promise_of_those_that_are_usual() -> None:
    policy = zeroed(Sizes(1, 2, False), 3)
    with torch.no_grad():
        policy.promise[-1].bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
        policy.usual[-1].bias.copy_(torch.tensor([0.0, 0.0, -40.0]))  # the third does not happen
        policy.act[-1].bias.copy_(torch.tensor([0.0, 0.0, -40.0, 40.0, 0.0, 0.0]))  # the second takes the last choice
    policy.return_mean += 10.0
    act = BestPromise(policy, 50)
    seen, draws = np.zeros(1, np.float32), np.random.default_rng(0)
    assert [act(seen, draws) for _ in range(5)] == [1] * 5
    assert act.promised(seen, draws) == pytest.approx(12.0)


def test_numbers_stay_within_their_limits() -> None:
    policy = zeroed(Sizes(1, 2, True), 1)
    with torch.no_grad():
        policy.act[-1].bias.copy_(torch.tensor([0.5, 9.0, 0.0, 0.0]))
    acted = BestPromise(policy, 1)(np.zeros(1, np.float32), np.random.default_rng(0))
    assert np.asarray(acted).tolist() == pytest.approx([math.tanh(0.5), 1.0])
