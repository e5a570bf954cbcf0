import numpy as np
import pytest
import torch

from steelyard.core import Prompt
from steelyard.learner import demonstration
from steelyard.worlds import text_world
from steelyard.worlds.checkable_steps import CHARACTERS, CheckableSteps
from steelyard.worlds.sync_loop import tiny_policy
from steelyard.worlds.text_world import Course, TextWorld, best, by_domain, described, turned_round

TINY = TextWorld(
    lambda seed: CheckableSteps(problems=8, held_out=4),
    lambda task, seed: tiny_policy(CHARACTERS, seed=seed, width=16, layers=1, context=32),
    max_tokens=4,
    steps=1,
    rows=16,
)


@pytest.fixture(scope="module")
def policy():
    return tiny_policy("ab", seed=0, width=8, layers=1)


def given(policy, reward, text="a", **parts):
    return demonstration(policy, Prompt("p", "b"), text, reward=reward).replace(reward_parts=parts)


def test_the_best_of_a_group_by_hand(policy):
    groups = [[given(policy, r) for r in group] for group in ([0.0, 1.0, 1.0], [0.0, 0.0], [0.25, 0.5])]
    assert [[t.reward for t in group] for group in best(groups)] == [[1.0], [1.0], [0.5]]


def test_a_share_of_the_rewards_is_turned_round(policy):
    groups = [[given(policy, 0.25)] * 1000]
    (turned,) = turned_round(groups, 0.2, np.random.default_rng(0))
    assert {t.reward for t in turned} == {0.25, 0.75}
    assert np.mean([t.reward == 0.75 for t in turned]) == pytest.approx(0.2, abs=0.04)


def test_what_is_measured_by_hand(policy):
    groups = [[given(policy, 1.0, "a"), given(policy, 1.0, "b"), given(policy, 0.0, "b")], [given(policy, 0.0)] * 3]
    prompts = [Prompt("p", "b", {"domain": d}) for d in (0, 1)]
    row = described(policy, prompts, groups)
    assert row == {
        "score": pytest.approx(1 / 3),
        "reward": pytest.approx(1 / 3),
        "pass": 0.5,
        "distinct": 2.0,
        "cut": 0.0,
        "score@0": pytest.approx(2 / 3),
        "score@1": 0.0,
    }
    assert by_domain([Prompt("p", "b")], groups[:1]) == {}


def test_the_gold_quality_counts_where_it_is_known(policy):
    row = described(policy, [Prompt("p", "b")], [[given(policy, 0.9, gold=0.2)]])
    assert (row["score"], row["reward"]) == (pytest.approx(0.2), pytest.approx(0.9))


def test_a_seed_is_measured_arm_by_arm_and_the_same_again(monkeypatch):
    monkeypatch.setattr(text_world, "EVALUATED", 16)
    first, second = (
        {arm: {k: v for k, v in row.items() if k != "cpu_s"} for arm, row in TINY.measure(900)} for _ in range(2)
    )
    assert first == second
    assert [*first] == [
        "base", "grpo", "rft", "likely", "stored", "noisy", "grpo-hot", "rft-hot", "sft", "outcome", "steps"
    ]  # fmt: skip
    assert first["base"]["prompt_tokens"] == 11
    assert first["base"]["turns"] == 1


def test_all_arms_begin_at_one_base_and_see_the_same_prompts(monkeypatch):
    monkeypatch.setattr(text_world, "EVALUATED", 16)
    course = Course(TINY, 900)
    assert [p.id for p in next(course.turns())] == [p.id for p in next(Course(TINY, 900).turns())]
    before = {name: p.clone() for name, p in course.base.model.state_dict().items()}
    course.arms()["grpo-hot"]()
    assert all(torch.equal(before[name], p) for name, p in course.base.model.state_dict().items())
