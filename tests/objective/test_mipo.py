import itertools
import math

import pytest
import torch

from steelyard.objective import IPO, MIPO


def test_by_hand(batch_of, grad):
    # W holds 1 and 3 with log-ratios -1 and -2, L holds 2 and 4 with -3 and -5: margin -1.5 + 4 = 2.5, target 2.
    # Variances 0.5 and 2, each of a mean of two: 0.25 and 1 are taken off 0.5^2.
    batch = batch_of([[-1.0, -3.0, -2.0, -5.0]], [[1.0, 0.0, 1.0, 0.0]], ref=[[0.0] * 4])
    loss = MIPO(tau=0.25)(batch)
    assert loss.value.item() == pytest.approx(0.25 - 1.25)
    assert loss.metrics == {"objective/margin": 2.5, "objective/noise": 1.25}
    # 2 (h - c) / 2 for each, less (s_j - mean), which is what v / 2 changes by.
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([0.5 - 0.5, -0.5 - 1.0, 0.5 + 0.5, -0.5 + 1.0])
    assert MIPO(tau=0.25, unbiased=False)(batch).value.item() == pytest.approx(0.25)


def test_with_two_samples_it_is_ipo(batch_of, grad):
    batch = batch_of([[-1.0, -3.0], [-2.0, -1.5]], [[0.0, 1.0], [0.3, 0.2]], ref=[[-2.0, -2.0], [-1.0, -1.0]])
    ours = MIPO()(batch)
    theirs = IPO()(batch)
    assert ours.value.item() == pytest.approx(theirs.value.item())
    torch.testing.assert_close(grad(ours.value, batch), grad(theirs.value, batch))


@pytest.mark.parametrize("unbiased", [True, False])
def test_its_expectation_over_small_groups_is_the_loss_of_all_samples(batch_of, unbiased):
    # W draws two of {-1, -3} with replacement, L two of {0, -4}: all sixteen draws alike, so the mean is exact.
    won = list(itertools.product([-1.0, -3.0], repeat=2))
    lost = list(itertools.product([0.0, -4.0], repeat=2))
    rows = [[*w, *x] for w in won for x in lost]
    batch = batch_of(rows, [[1.0, 1.0, 0.0, 0.0]] * 16, ref=[[0.0] * 4] * 16)
    exact = (-2.0 + 2.0 - 2.0) ** 2  # tau = 1/4: the target is 2
    bias = 0.0 if unbiased else 1.0 / 2 + 4.0 / 2  # the variances of the two laws, over two samples
    assert MIPO(tau=0.25, unbiased=unbiased)(batch).value.item() == pytest.approx(exact + bias)


def test_alike_or_single_samples_weigh_nothing(batch_of, grad):
    alike = batch_of([[-1.0, -2.0, -3.0]], [[0.1, 0.1, 0.1]], ref=[[0.0, 0.0, 0.0]])
    single = batch_of([[-1.0, math.nan]], [[1.0, 0.0]], ref=[[0.0, 0.0]], valid=[[True, False]])
    for batch in (alike, single):
        loss = MIPO()(batch)
        assert (loss.value.item(), loss.weight) == (0, 0)
        assert not grad(loss.value, batch).any()
