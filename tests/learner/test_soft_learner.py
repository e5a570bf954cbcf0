"""Learning from soft tokens: what is rewarded becomes likelier, by one forward pass, however the batch is cut."""

import pytest
import torch

from steelyard.core import Request, Sampling
from steelyard.learner import Adam
from steelyard.learner.soft_learner import SoftLearner
from steelyard.objective import RLOO
from steelyard.policy import Policy
from steelyard.policy.copied import copied
from steelyard.policy.soft_inputs import root_mean_square
from steelyard.rollout import SoftTokens
from steelyard.rollout.soft_engine import SoftEngine


@pytest.fixture
def policy(tiny_model_dir):
    return Policy.load(str(tiny_model_dir("llama")))


def groups_of(policy, rewards):
    """A group of each row of rewards."""
    soft = SoftEngine(copied(policy), SoftTokens(soft_steps=3), 0.33 * root_mean_square(policy), 0)
    asked = [Request(str(p), (5, 14, 6 + p), g) for p, row in enumerate(rewards) for g in range(len(row))]
    found = {(t.prompt_id, t.sample): t for t in soft.generate(asked, Sampling(max_tokens=3))}
    return [[found[str(p), g].replace(reward=r) for g, r in enumerate(row)] for p, row in enumerate(rewards)]


def logp_of(policy, groups):
    batch = SoftLearner(policy, RLOO(), Adam(), learning_rate=1e-3).soft_batch(groups, RLOO())
    return batch.logp_PGT.detach().sum(-1)


def test_what_is_rewarded_becomes_likelier(policy):
    groups = groups_of(policy, [[1.0, 0.0], [0.0, 1.0]])
    before_PG = logp_of(policy, groups)
    learner = SoftLearner(policy, RLOO(), Adam(), learning_rate=1e-3)
    metrics = learner.step(groups)
    gain_PG = logp_of(policy, groups) - before_PG
    assert gain_PG[0, 0] > gain_PG[0, 1]
    assert gain_PG[1, 1] > gain_PG[1, 0]
    assert metrics["objective/shaped_reward"] == pytest.approx(0.5)
    assert (learner.steps, metrics["batch/trajectories"]) == (1, 4)


def test_equal_rewards_teach_nothing(policy):
    groups = groups_of(policy, [[1.0, 1.0]])
    metrics = SoftLearner(policy, RLOO(), Adam(), learning_rate=1e-3).step(groups)
    assert metrics["learner/grad_norm"] == 0.0


def test_cutting_the_batch_changes_nothing(policy):
    groups = groups_of(policy, [[1.0, 0.0, 0.5], [0.0, 1.0, 1.0]])
    whole, cut = copied(policy), copied(policy)
    one = SoftLearner(whole, RLOO(), Adam(), learning_rate=1e-3).step(groups)
    two = SoftLearner(cut, RLOO(), Adam(), learning_rate=1e-3, micro_tokens=1).step(groups)
    assert one["learner/grad_norm"] == pytest.approx(two["learner/grad_norm"], rel=1e-4)


def test_the_answer_alone_is_not_all_that_is_learned(policy):
    """The gradient of the soft steps is there: it is what differs from learning the answer's tokens."""
    groups = groups_of(policy, [[1.0, 0.0]])
    batch = SoftLearner(policy, RLOO(), Adam(), learning_rate=1e-3).soft_batch(groups, RLOO())
    batch.logp_PGT[..., 3:6].sum().backward()
    norms = [p.grad.norm() for p in policy.trainable().values() if p.grad is not None]
    assert torch.stack(norms).sum() > 0
