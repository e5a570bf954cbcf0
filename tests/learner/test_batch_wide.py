import pytest

from steelyard.core import Schedule
from steelyard.learner import Adam, Learner
from steelyard.learner.batch_wide import marked
from steelyard.objective import GRPO, IBPO
from steelyard.policy import Policy
from steelyard.task import Arithmetic
from steelyard.worlds.sync_loop import SyncLoop

TASK = Arithmetic(problems=16, held_out=8)
ONE = IBPO(budget=0.5, short_length=3)


@pytest.fixture(scope="module")
def policy():
    return Policy.load("steelyard/arithmetic")


@pytest.fixture(scope="module")
def groups(policy):
    loop = SyncLoop(policy, TASK, ONE, learning_rate=0.0, seed=0, num_generations=4)
    found = loop.sample(TASK.prompts("train")[:6])
    return [[t.replace(reward=float((p + s) % 2)) for s, t in enumerate(group)] for p, group in enumerate(found)]


def test_other_objectives_leave_the_groups_alone(groups):
    assert marked(GRPO(), groups) is groups


def test_every_trajectory_is_told_what_the_whole_batch_assigned(groups):
    told = marked(ONE, groups)
    assert [[t.replace(labels={}) for t in group] for group in told] == [
        [t.replace(labels={}) for t in group] for group in groups
    ]
    weights = [[t.labels["assigned"] for t in group] for group in told]
    assert any(w > 0 for row in weights for w in row)
    assert marked(ONE, told) == told, "what was told before does not count"


def learned(policy, groups, **settings):
    return Learner(policy, ONE, Adam(), learning_rate=0.0, **settings).step(groups)


def test_the_budget_is_the_whole_steps_however_the_batch_is_cut(policy, groups):
    whole, cut = (learned(policy, groups, micro_tokens=size) for size in (10**6, 1))
    assert cut["objective/imitated_long"] == pytest.approx(whole["objective/imitated_long"])
    assert cut["learner/loss"] == pytest.approx(whole["learner/loss"], abs=1e-6)
    assert cut["learner/grad_norm"] == pytest.approx(whole["learner/grad_norm"], rel=1e-4)


def test_a_scheduled_budget_counts(policy, groups):
    row = learned(policy, groups, schedules={"budget": Schedule(0.0, 0.5, 10)})
    assert row["objective/imitated_long"] == 0.0
