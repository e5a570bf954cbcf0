import numpy as np
import pytest

from steelyard.worlds.fact_teaching import answer, ask, sampled_answers, usefulness
from steelyard.worlds.facts import REFUSAL, Facts, taught

WORLD = Facts(subjects=10, relations=1, values=6, zipf=0.0)


@pytest.fixture(scope="module")
def policy():
    return taught(WORLD, "retain", "known", seed=0, steps=120)


def test_it_knows_what_it_was_taught_and_nothing_else(policy):
    assert [ask(policy, WORLD, part).accuracy for part in ("retain", "known")] == [1.0, 1.0]
    assert ask(policy, WORLD, "retain", form=1).accuracy == 1.0
    assert ask(policy, WORLD, "forget").accuracy <= 0.5
    assert usefulness(policy, WORLD) > 0.6


def test_answers_say_whether_they_are_kept(policy):
    for part, keep in (("retain", True), ("known", True), ("forget", False)):
        (fact, *_) = WORLD.facts(part)
        given = answer(policy, fact, REFUSAL, reward=0.5)
        assert given.labels["retain"] is keep
        assert given.reward == 0.5
        assert policy.decode(given.completion_T) == REFUSAL
        assert policy.decode(answer(policy, fact, form=1).tokens_T) == fact.question(1) + fact.value


def test_sampled_answers_are_the_models_own(policy):
    facts = WORLD.facts("retain")
    groups = sampled_answers(policy, facts, seed=1)
    assert len(groups) == 2 * len(facts)
    assert all(t.valid and t.labels == {"retain": True} for [t] in groups)
    truth = {fact.question(): fact.value for fact in facts}
    right = [policy.decode(t.completion_T) == truth[t.prompt_id] for [t] in groups]
    assert np.mean(right) > 0.8
    again = sampled_answers(policy, facts, seed=1)
    assert all(np.array_equal(a.tokens_T, b.tokens_T) for [a], [b] in zip(groups, again, strict=True))
