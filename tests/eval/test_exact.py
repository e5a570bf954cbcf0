"""Distances on arrays by hand and by property; `exact_distance` on a tiny policy against sums done the long way."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Prompt, SteelyardError, Weights, rng
from steelyard.eval.exact import Listable, Rewarded, exact_distance, kl, list_logp, log_z, target, total_variation
from steelyard.policy import Policy
from steelyard.reward import reward_function
from steelyard.task import Enumerable
from steelyard.worlds.bases.enumerable import make


def logs(*p):
    with np.errstate(divide="ignore"):
        return np.log(np.array(p, float))


def test_target_by_hand():
    """pi_ref = (1/2, 1/2), beta = 1/2, rewards (0, log(3)/2): weights 1/2 and 3/2, so Z = 2 and pi* = (1/4, 3/4)."""
    reward = np.array([0.0, math.log(3) / 2])
    assert log_z(logs(0.5, 0.5), reward, 0.5) == pytest.approx(math.log(2))
    np.testing.assert_allclose(np.exp(target(logs(0.5, 0.5), reward, 0.5)), [0.25, 0.75])


def test_distances_by_hand():
    p, q = logs(0.5, 0.5), logs(0.25, 0.75)
    assert total_variation(p, q) == pytest.approx(0.25)
    assert kl(p, q) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert kl(q, p) == pytest.approx(0.25 * math.log(1 / 2) + 0.75 * math.log(3 / 2))


def test_what_p_never_does_costs_nothing():
    assert kl(logs(0.0, 1.0), logs(0.5, 0.5)) == pytest.approx(math.log(2))
    assert total_variation(logs(0.0, 1.0), logs(1.0, 0.0)) == 1.0


distribution = st.lists(st.floats(0.01, 1.0), min_size=5, max_size=5).map(lambda w: np.log(np.array(w) / sum(w)))
rewards = st.lists(st.floats(-2, 2), min_size=5, max_size=5).map(np.array)
betas = st.floats(0.05, 2.0)


@given(distribution, distribution, distribution)
def test_total_variation_is_a_metric(p, q, r):
    assert total_variation(p, p) == 0
    assert total_variation(p, q) == pytest.approx(total_variation(q, p))
    assert total_variation(p, r) <= total_variation(p, q) + total_variation(q, r) + 1e-12
    assert 0 <= total_variation(p, q) <= 1


@given(distribution, distribution)
def test_kl_is_at_least_twice_the_squared_total_variation(p, q):
    """Pinsker's inequality; so KL >= 0, with 0 for equal distributions alone."""
    assert kl(p, q) >= 2 * total_variation(p, q) ** 2 - 1e-12
    assert kl(p, p) == 0


@given(distribution, rewards, betas, st.floats(-2, 2))
def test_a_shift_of_the_reward_moves_log_z_and_leaves_the_target(ref, reward, beta, shift):
    np.testing.assert_allclose(target(ref, reward + shift, beta), target(ref, reward, beta), atol=1e-8)
    assert log_z(ref, reward + shift, beta) == pytest.approx(log_z(ref, reward, beta) + shift / beta, abs=1e-8)


@given(distribution, rewards, betas)
def test_the_target_sums_to_one_and_equal_rewards_leave_the_reference(ref, reward, beta):
    assert np.exp(target(ref, reward, beta)).sum() == pytest.approx(1)
    np.testing.assert_allclose(target(ref, np.full(5, 0.7), beta), ref, atol=1e-8)


@given(distribution, distribution, rewards, betas)
def test_vargrad_s_estimate_falls_short_of_log_z_by_the_kl_to_the_target(p, ref, reward, beta):
    estimate = (np.exp(p) * (reward / beta - (p - ref))).sum()
    assert log_z(ref, reward, beta) - estimate == pytest.approx(kl(p, target(ref, reward, beta)), abs=1e-8)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The policy of another seed, and the base model as its reference."""
    base = Policy.load(str(make(tmp_path_factory.mktemp("base"))))
    policy = Policy.load(str(make(tmp_path_factory.mktemp("other"), seed=1)))
    return policy, Weights.of(base.weights(), 0)


def test_list_logp_is_the_chain_rule(world):
    policy, _ = world
    logp = list_logp(policy, Prompt("p", "be"), Enumerable().completions(), 0.7)
    place = Enumerable().completions().index("dag")
    with torch.no_grad():
        hidden = policy.backbone(input_ids=torch.tensor([[1, 4, 3, 0, 6]]))[0]
        steps = (policy.head(hidden)[0] / 0.7).log_softmax(-1)
    assert logp[place] == pytest.approx(float(steps[1, 3] + steps[2, 0] + steps[3, 6]), abs=1e-4)
    assert np.exp(logp).sum() == pytest.approx(1)


def test_exact_distance_adds_up(world):
    policy, reference = world
    task, weights = Enumerable(), policy.weights()
    found = exact_distance(policy, task, beta=0.15, reference=reference)
    rows = []
    for prompt in task.prompts("train"):
        p, r = np.exp(list_logp(policy, prompt, task.completions(), 1.0)), task.rewards(prompt)
        with policy.holding(reference.data):
            w = np.exp(list_logp(policy, prompt, task.completions(), 1.0) + r / 0.15)
        q = w / w.sum()
        rows.append(
            [abs(p - q).sum() / 2, (p * np.log(p / q)).sum(), (q * np.log(q / p)).sum(), np.log(w.sum()), p @ r, q @ r]
        )
    names = ("total_variation", "kl", "kl_reverse", "log_z", "reward_exact", "reward_target")
    assert [found[f"eval/{n}"] for n in names] == pytest.approx(list(np.mean(rows, 0)))
    assert found["eval/log_z_error"] == pytest.approx(found["eval/kl"])
    assert np.array_equal(policy.weights(), weights)  # measured, not moved


@dataclass(frozen=True)
class Indifferent:
    """Every completion is worth the same, so that pi* is the reference."""

    texts: tuple[str, ...] = tuple(Enumerable().completions())

    def prompts(self, split):
        return Enumerable().prompts(split)

    def completions(self):
        return list(self.texts)

    def rewards(self, prompt):
        return np.full(len(self.texts), 0.5)


def test_without_a_preference_the_reference_is_the_target(world):
    policy, reference = world
    with policy.holding(reference.data):
        found = exact_distance(policy, Indifferent(), beta=0.1, reference=reference)
    assert found["eval/total_variation"] == pytest.approx(0, abs=1e-9)
    assert found["eval/log_z"] == pytest.approx(5.0)


def test_temperature_changes_policy_and_reference_alike(world):
    policy, reference = world
    cold, warm = (
        exact_distance(policy, Indifferent(), beta=1.0, reference=reference, temperature=t) for t in (0.5, 2.0)
    )
    assert cold["eval/total_variation"] > 2 * warm["eval/total_variation"]


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (("aaa", "aab"), "the listed completions hold 0.00"),
        (("a", "bb"), "completions differ in length"),
    ],
)
def test_a_list_that_is_not_everything_is_refused(world, texts, line):
    policy, reference = world
    with pytest.raises(SteelyardError, match=line):
        exact_distance(policy, Indifferent(texts), beta=0.1, reference=reference)


def test_beta_must_be_positive(world):
    policy, reference = world
    with pytest.raises(SteelyardError, match="beta is"):
        exact_distance(policy, Enumerable(), beta=0.0, reference=reference)


def test_listable_is_what_a_task_must_offer():
    assert isinstance(Enumerable(), Listable) and isinstance(Indifferent(), Listable)
    assert not isinstance(rng(0), Listable)


def test_the_target_is_that_of_the_reward_that_trains():
    task = Enumerable()
    calls = []

    def vowels(prompts, completions, **columns):
        calls.append(len(completions))
        return [float(c.count("a")) for c in completions]

    listed = Rewarded(task, reward_function(vowels))
    assert isinstance(listed, Listable)
    prompt = task.prompts("train")[0]
    expected = [float(c.count("a")) for c in task.completions()]
    assert listed.rewards(prompt).tolist() == expected
    assert listed.rewards(prompt).tolist() == expected
    assert calls == [len(expected)]  # asked once
