import math

import pytest
import torch

from steelyard.objective import DPO, MDPO


def test_by_hand(batch_of, grad):
    # Mean reward 1/2: samples 1 and 3 have the mean log-ratio -1, samples 2 and 4 -3. Margin 2, beta 1/2.
    batch = batch_of([[-1.0, -2.0, -1.0, -4.0]], [[1.0, 0.0, 1.0, 0.0]], ref=[[0.0, 0.0, 0.0, 0.0]])
    loss = MDPO(beta=0.5)(batch)
    assert loss.value.item() == pytest.approx(math.log(1 + math.exp(-1)))
    pull = 0.5 / (1 + math.e) / 2  # beta sigma(-1), shared by the two samples of a group
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([-pull, pull, -pull, pull])
    assert loss.metrics == {"objective/margin": 2.0, "objective/accuracy": 1.0}


def test_with_two_samples_it_is_dpo(batch_of, grad):
    batch = batch_of([[-1.0, -3.0], [-2.0, -1.5]], [[0.0, 1.0], [0.3, 0.2]], ref=[[-2.0, -2.0], [-1.0, -1.0]])
    ours = MDPO()(batch)
    theirs = DPO()(batch)
    assert ours.value.item() == pytest.approx(theirs.value.item())
    torch.testing.assert_close(grad(ours.value, batch), grad(theirs.value, batch))


def test_a_sample_at_the_mean_is_in_no_group(batch_of, grad):
    batch = batch_of([[-1.0, -2.0, -3.0]], [[1.0, 0.5, 0.0]], ref=[[0.0, 0.0, 0.0]])
    assert grad(MDPO()(batch).value, batch)[0, 1].item() == 0


def test_alike_or_single_samples_weigh_nothing(batch_of, grad):
    alike = batch_of([[-1.0, -2.0, -3.0]], [[0.1, 0.1, 0.1]], ref=[[0.0, 0.0, 0.0]])
    single = batch_of([[-1.0, -2.0]], [[1.0, 0.0]], ref=[[0.0, 0.0]], valid=[[True, False]])
    for batch in (alike, single):
        loss = MDPO()(batch)
        assert (loss.value.item(), loss.weight) == (0, 0)
        assert not grad(loss.value, batch).any()
