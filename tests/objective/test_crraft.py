import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import CRRAFT, policy_gradient


def judged(batch, passes, given=None):
    marks = {} if given is None else {"demonstration": torch.tensor(given)}
    return batch.labelled(passes=torch.tensor(passes), **marks)


def test_by_hand(batch_of, grad):
    # The best violates, the next is 5 nats from the reference, so the third is imitated with its reward
    batch = batch_of([[-1.0, -2.0, -3.0, -4.0]], [[0.9, 0.8, 0.6, 0.2]], ref=[[-1.0, -7.0, -3.0, -4.0]])
    loss = CRRAFT(max_kl=4.0)(judged(batch, [[False, True, True, True]]))
    assert loss.value.item() == pytest.approx(0.6 * 3.0)
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([0.0, 0.0, -0.6, 0.0])
    assert loss.metrics == {"objective/passing": 0.75, "objective/kl": 5 / 4}


def test_of_single_samples_with_reward_one_it_is_plain_likelihood(batch_of, grad):
    batch = batch_of([[-1.0], [-2.0]], [[1.0], [1.0]], ref=[[-9.0], [-9.0]])
    loss = CRRAFT(max_kl=math.inf)(judged(batch, [[True], [True]]))
    plain = policy_gradient(batch, torch.ones_like(batch.logp_PGT))
    assert loss.value.item() == plain.value.item() == 1.5
    assert torch.equal(grad(loss.value, batch), grad(plain.value, batch))


@pytest.mark.parametrize(
    ("passes", "weight", "expected"),
    [
        ([True, False, True], 1.0, [-0.4, 0.0, 0.0]),  # a sample that passes goes first
        ([False, False, True], 1.0, [0.0, 0.0, -0.5]),  # else the baseline response, at sigma(0)
        ([False, False, False], 0.0, [0.0, 0.0, 0.0]),  # which must pass too
    ],
)
def test_the_baseline_response_stands_in(batch_of, grad, passes, weight, expected):
    batch = batch_of([[-1.0, -2.0, -3.0]], [[0.4, 0.9, 1.0]], ref=[[-1.0, -2.0, -3.0]])
    loss = CRRAFT()(judged(batch, [passes], [[False, False, True]]))
    assert loss.weight == weight
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx(expected)


def test_without_fallback_or_near_enough_a_baseline_the_prompt_is_skipped(batch_of):
    batch = batch_of([[-1.0, -2.0]], [[0.4, 1.0]], ref=[[-1.0, -12.0]])
    batch = judged(batch, [[False, True]], [[False, True]])
    assert CRRAFT(max_kl=5.0)(batch).weight == 0.0
    assert CRRAFT(fallback=0.0)(batch).weight == 0.0
    assert CRRAFT()(batch).weight == 1.0


@given(st.lists(st.tuples(st.sampled_from([0.2, 0.5, 0.8]), st.booleans()), min_size=1, max_size=6))
def test_only_the_best_passing_samples_are_learned_from(rows):
    """Those that tie share the place, and the weights of a prompt sum to their reward."""
    reward, passes = zip(*rows, strict=True)
    batch = random_batch(len(rows), labels=()).prompts(slice(0, 1))
    batch = batch.replace(reward_PG=torch.tensor([reward], dtype=torch.float64)).labelled(passes=torch.tensor([passes]))
    got = outcome(CRRAFT(max_kl=math.inf), batch)
    best = max((r for r, p in rows if p), default=0.0)
    pushed = [-float(row.min()) for row in got.by_logp_PGT[0]]
    assert sum(pushed) == pytest.approx(best)
    assert all((w > 0) == (p and r == best) for w, (r, p) in zip(pushed, rows, strict=True))


@pytest.mark.parametrize("settings", [{"max_kl": 0.0}, {"fallback": -1.0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match=r"crraft\."):
        CRRAFT(**settings)
