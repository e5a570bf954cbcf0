import math

import pytest
import torch

from steelyard.core import Batch, SteelyardError
from steelyard.objective import SFT
from steelyard.unlearn import LAT
from steelyard.unlearn.lat import LEAST
from steelyard.unlearn.latent_attack import LatentAttack

HALF = math.log(0.5)


def batch_of(logp, reward, retain, action=None):
    logp_PGT = torch.tensor(logp, requires_grad=True)
    shape = logp_PGT.shape
    return Batch(
        logp_PGT=logp_PGT,
        action_PGT=torch.ones(shape, dtype=torch.bool) if action is None else torch.tensor(action),
        valid_PG=torch.ones(shape[:2], dtype=torch.bool),
        reward_PG=torch.tensor(reward),
        labels={"retain": torch.tensor(retain)},
    )


def test_by_hand():
    """A prompt with a good answer of -1 and -3 nats and a bad one of two tokens of a half; one benign answer."""
    batch = batch_of(
        [[[-1.0, -3.0], [HALF, HALF]], [[-4.0, -2.0], [0.0, 0.0]]],
        [[1.0, 0.0], [1.0, 1.0]],
        [False, True],
        [[[True, True], [True, True]], [[True, True], [False, False]]],
    ).replace(valid_PG=torch.tensor([[True, True], [True, False]]))
    loss = LAT(toward=1.0, away=2.0, retain=3.0)(batch)
    unlikely = -math.log(1 - 0.5 * math.exp(-LEAST))
    assert loss.value.item() == pytest.approx((2.0 + 2.0 * unlikely + 3.0 * 3.0) / 6.0 / 2)
    assert loss.weight == 2
    assert loss.metrics["objective/away"] == pytest.approx(2.0 * unlikely / 12)


def test_without_bad_answers_it_is_fine_tuning_by_the_mean_token():
    batch = batch_of([[[-1.0, -3.0]], [[-2.0, -4.0]]], [[1.0], [1.0]], [True, False])
    ours = LAT(toward=1.0, away=0.0, retain=1.0)(batch)
    assert 2 * ours.value.item() == pytest.approx(SFT()(batch).value.item())


def test_the_adversary_wants_the_opposite():
    batch = batch_of([[[-1.0], [HALF]]], [[1.0, 0.0]], [False])
    unlikely = -math.log(1 - math.exp(-1 - LEAST))
    assert LAT().harm(batch).item() == pytest.approx(-HALF + unlikely)
    assert LAT(adversary=LatentAttack("untargeted")).harm(batch).item() == pytest.approx(-1.0)


def test_unlikely_tokens_are_left_alone_and_certain_ones_have_a_gradient():
    logp = torch.tensor([-6.0, -4.9, 0.0], requires_grad=True)
    loss = LAT().unlikelihood(logp)
    loss.sum().backward()
    assert loss[0].item() == 0.0
    assert logp.grad is not None
    assert logp.grad[0].item() == 0.0
    assert logp.grad[1].item() > 0
    assert 1e5 < logp.grad[2].item() < 1e7


def test_settings_are_checked():
    with pytest.raises(SteelyardError, match="lat: toward and away are both 0"):
        LAT(toward=0.0, away=0.0)
    with pytest.raises(SteelyardError, match="attack_toward and attack_away are both 0"):
        LatentAttack(attack_toward=0.0, attack_away=0.0)
    LatentAttack("untargeted", attack_toward=0.0, attack_away=0.0)
