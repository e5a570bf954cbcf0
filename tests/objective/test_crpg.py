import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import CRPG, DrGRPO


def test_by_hand(batch_of, grad):
    # d = 1, 0, 0 nats of at most 4; R = 0.8 * 3/4, 0.2 and, for a violation, 0; their mean is 4/15
    batch = batch_of([[-1.0, -2.0, -3.0]], [[0.8, 0.2, 0.9]], ref=[[-2.0, -2.0, -3.0]])
    loss = CRPG(max_kl=4.0)(batch.labelled(passes=torch.tensor([[True, True, False]])))
    expected = [-(0.6 - 4 / 15) / 3, -(0.2 - 4 / 15) / 3, 4 / 45]
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx(expected)
    assert loss.metrics == pytest.approx({"objective/passing": 2 / 3, "objective/kl": 1 / 3})


@pytest.mark.parametrize("seed", range(3))
def test_with_all_passing_and_no_cap_it_is_centred_reinforce(seed):
    batch = random_batch(seed=seed, labels=())
    free = outcome(CRPG(max_kl=math.inf), batch.labelled(passes=torch.ones_like(batch.valid_PG)))
    plain = outcome(DrGRPO(importance_ratio=False), batch)
    assert torch.allclose(free.by_logp_PGT, plain.by_logp_PGT)
    assert free.loss.value.item() == pytest.approx(plain.loss.value.item())


def test_a_demonstration_is_neither_learned_from_nor_counted(batch_of, grad):
    batch = batch_of([[-1.0, -2.0, -9.0]], [[0.8, 0.2, 0.5]], ref=[[-1.0, -2.0, -9.0]])
    passes_PG = torch.ones(1, 3, dtype=torch.bool)
    loss = CRPG()(batch.labelled(passes=passes_PG, demonstration=torch.tensor([[False, False, True]])))
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([-0.15, 0.15, 0.0])


def test_where_all_violate_there_is_nothing_to_learn_but_the_prompt_counts(batch_of, grad):
    batch = batch_of([[-1.0, -2.0]], [[0.8, 0.2]], ref=[[-1.0, -2.0]])
    loss = CRPG()(batch.labelled(passes=torch.zeros(1, 2, dtype=torch.bool)))
    assert loss.weight == 1.0
    assert not grad(loss.value, batch).any()


@given(st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans(), st.floats(-5, 30)), min_size=2, max_size=6))
def test_no_violation_and_nothing_too_far_is_pushed_up(rows):
    """A sample that violates or is beyond the cap is worth the least there is, so its likelihood never rises."""
    reward, passes, drift = zip(*rows, strict=True)
    drift_PGT = torch.tensor([drift], dtype=torch.float64)[..., None]
    batch = random_batch(len(rows), labels=()).prompts(slice(0, 1))
    steps_PGT = batch.action_PGT & (batch.action_PGT.cumsum(-1) == 1)
    moved = batch.replace(
        reward_PG=torch.tensor([reward], dtype=torch.float64), action_PGT=steps_PGT,
        logp_PGT=batch.logp_ref_PGT + drift_PGT * steps_PGT,
    ).labelled(passes=torch.tensor([passes]))  # fmt: skip
    down_PG = outcome(CRPG(max_kl=10.0), moved).by_logp_PGT.sum(-1)
    worthless_PG = ~moved.label("passes") | (torch.tensor([drift]) > 10)
    assert (down_PG[worthless_PG] >= 0).all()


def test_wrong_settings_are_refused():
    with pytest.raises(SteelyardError, match=r"crpg\.max_kl"):
        CRPG(max_kl=0.0)
    with pytest.raises(ValueError, match="logp_ref_PGT"):
        CRPG()(random_batch().replace(logp_ref_PGT=None))
