import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import Reinforce, ReinforceEMA
from steelyard.objective.reinforce_ema import Baseline


def test_by_hand(batch_of, grad):
    # The first step has no baseline. Its rewards 1, 0 average 1/2, which is then the baseline whatever the decay.
    batch = batch_of([[-1.0, -2.0]], [[1.0, 0.0]])
    method = ReinforceEMA(decay=0.75)
    first = method(batch, method.init())
    assert first.value.item() == pytest.approx(0.5)
    assert first.stats == {"reward": 0.5}
    state = method.update(method.init(), first.stats)
    assert state == Baseline(0.125, 0.25)
    second = method(batch, state)
    assert second.metrics["objective/baseline"] == 0.5
    assert grad(second.value, batch)[..., 0].tolist() == [[-0.25, 0.25]]
    # .75 x .125 + .25 x 1.5 over .75 x .25 + .25
    assert method.update(state, {"reward": 1.5}).value == pytest.approx(0.46875 / 0.4375)


def test_without_a_baseline_it_is_reinforce():
    ours, theirs = outcome_in(ReinforceEMA(beta=0.1), Baseline()), outcome(Reinforce(beta=0.1), random_batch())
    assert ours[0].item() == pytest.approx(theirs.loss.value.item())
    assert torch.allclose(ours[1], theirs.by_logp_PGT)


def outcome_in(method, state):
    batch = random_batch()
    logp_PGT = batch.logp_PGT.clone().requires_grad_()
    loss = method(batch.replace(logp_PGT=logp_PGT), state)
    return loss.value, torch.autograd.grad(loss.value, logp_PGT)[0]


def test_a_batch_with_nothing_valid_teaches_nothing(batch_of):
    loss = ReinforceEMA()(batch_of([[-1.0]], [[1.0]], valid=[[False]]), Baseline(0.5, 0.5))
    assert (loss.value.item(), loss.weight) == (0.0, 0.0)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20), st.floats(0, 0.99))
def test_the_baseline_lies_between_the_rewards_that_it_saw(rewards, decay):
    method = ReinforceEMA(decay=decay)
    state = method.init()
    for reward in rewards:
        state = method.update(state, {"reward": reward})
    assert min(rewards) - 1e-9 <= state.value <= max(rewards) + 1e-9


@given(st.integers(1, 4), st.floats(-2, 2), st.integers(0, 5))
def test_cutting_a_step_anywhere_leaves_the_next_state_as_it_is(cut, mean, seed):
    method = ReinforceEMA()
    batch = random_batch(seed=seed)
    state = Baseline(mean, 1.0)
    whole = method(batch, state)
    parts = [method(batch.prompts(piece), state) for piece in (slice(0, cut), slice(cut, 5))]
    weight = sum(part.weight for part in parts)
    combined = sum(part.weight * part.stats["reward"] for part in parts) / weight
    assert method.update(state, {"reward": combined}).value == pytest.approx(method.update(state, whole.stats).value)


def test_wrong_settings_are_refused():
    for settings in ({"beta": -1.0}, {"decay": 1.0}, {"decay": -0.1}):
        with pytest.raises(SteelyardError, match=r"reinforce-ema"):
            ReinforceEMA(**settings)
