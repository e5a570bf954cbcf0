import math

import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import Batch, SteelyardError
from steelyard.objective import KTO, StepKTO
from steelyard.objective.step_kto import step_scores


def chain(ratio, label, reward, action=None):
    """A prompt whose samples have these log-ratios and labels at each token."""
    logp_PGT = torch.tensor([ratio], dtype=torch.float64, requires_grad=True)
    action_PGT = torch.ones_like(logp_PGT, dtype=torch.bool) if action is None else torch.tensor([action])
    return Batch(
        logp_PGT=logp_PGT,
        action_PGT=action_PGT,
        valid_PG=torch.ones(logp_PGT.shape[:2], dtype=torch.bool),
        reward_PG=torch.tensor([reward], dtype=torch.float64),
        logp_ref_PGT=torch.zeros_like(logp_PGT),
        reward_PGT=torch.tensor([label], dtype=torch.float64),
    )


def test_steps_end_at_labels_and_the_rest_belongs_to_none():
    batch = chain([[9.0, 1.0, 2.0, 4.0, 8.0]], [[5.0, 0.0, 1.0, -1.0, 0.0]], [1.0], [[False, True, True, True, True]])
    score_PGT, label_PGT = step_scores(batch)
    assert label_PGT.tolist() == [[[1.0, -1.0, 0.0, 0.0, 0.0]]]
    assert score_PGT[0, 0, :2].tolist() == [3.0, 4.0]  # the label before the first action is none
    assert score_PGT[0, 0, 2] == 8.0  # what follows the last label


def test_by_hand(grad):
    # one sample: z is 0. Outcome: s = 0, loss 1/2. Steps: s = ln 3 right, loss 1/4; s = -ln 3 wrong, loss 1/4.
    third = math.log(3)
    batch = chain([[0.0, third, -third]], [[0.0, 1.0, -1.0]], [1.0])
    loss = StepKTO(beta=1.0, step_weight=2.0)(batch)
    assert loss.value.item() == pytest.approx(1 / 2 + 2 * 1 / 4)
    # sigma' is 1/4 for the outcome and 3/16 for each step, of which there are two
    expected = [-1 / 4 - 3 / 16, -1 / 4 - 3 / 16, -1 / 4 + 3 / 16]
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx(expected)
    assert loss.metrics == {"objective/desirable": 1.0, "objective/steps_right": 0.5, "objective/kl": 0.0}


def test_a_steps_reference_point_is_the_mean_of_the_others_steps():
    # the second sample's steps have mean 3, the first's only step 1; outcomes: z is 6 for the first, 1 for the second
    batch = chain([[1.0, 0.0], [2.0, 4.0]], [[1.0, 0.0], [1.0, 1.0]], [1.0, 1.0])

    def loss(score, z):
        return 1 - 1 / (1 + math.exp(-0.5 * (score - z)))

    first = loss(1, 6) + loss(1, 3)
    second = loss(6, 1) + (loss(2, 1) + loss(4, 1)) / 2
    assert StepKTO(beta=0.5)(batch).value.item() == pytest.approx((first + second) / 2)


@pytest.mark.parametrize("seed", range(3))
def test_without_the_steps_it_is_kto(seed):
    batch = random_batch(seed=seed)
    kto = outcome(KTO(beta=0.3, undesirable_weight=0.5), batch)
    weightless = outcome(StepKTO(beta=0.3, undesirable_weight=0.5, step_weight=0.0), batch)
    unlabelled = outcome(
        StepKTO(beta=0.3, undesirable_weight=0.5), batch.replace(reward_PGT=torch.zeros_like(batch.logp_PGT))
    )
    for got in (weightless, unlabelled):
        assert torch.equal(got.loss.value, kto.loss.value)
        assert torch.allclose(got.by_logp_PGT, kto.by_logp_PGT, atol=1e-15)


def test_one_step_labelled_as_the_outcome_doubles_kto():
    batch = random_batch()
    last_PGT = batch.action_PGT & (batch.action_PGT.flip(-1).cumsum(-1).flip(-1) == 1)
    sign_PG1 = torch.where(batch.reward_PG > 0.5, 1.0, -1.0)[..., None]
    labelled = batch.replace(reward_PGT=(sign_PG1 * last_PGT).double())
    kto, step = outcome(KTO(), batch), outcome(StepKTO(), labelled)
    assert step.loss.value.item() == pytest.approx(2 * kto.loss.value.item())
    assert torch.allclose(step.by_logp_PGT, 2 * kto.by_logp_PGT)


def test_size_of_a_label_does_not_matter():
    batch = random_batch()
    small = batch.replace(reward_PGT=batch.reward_PGT * 0.01)
    assert torch.equal(StepKTO()(small).value, StepKTO()(batch).value)


def test_missing_labels_and_wrong_settings_are_named():
    with pytest.raises(ValueError, match="reward_PGT"):
        StepKTO()(random_batch().replace(reward_PGT=None))
    with pytest.raises(SteelyardError, match=r"step-kto\.step_weight"):
        StepKTO(step_weight=-1.0)
    with pytest.raises(SteelyardError, match=r"step-kto\.beta"):
        StepKTO(beta=0.0)
