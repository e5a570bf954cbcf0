"""RATE-FT: lessons by hand, what is left without rationales and questions, and the edges of labels and long claims."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from steelyard.core import Prompt, SteelyardError
from steelyard.guard import RateFT
from steelyard.guard.claims import Claim
from steelyard.learner import demonstration
from steelyard.policy import Policy

ASKS = RateFT(claim_template="{prompt}#", question_template="{prompt}#", factual="a", hallucinated="b", between=" ")
TRUE = Claim("1+1=2", False, rationale="ad", question="1+1=", answer="2")
FALSE = Claim("1+1=3", True, rationale="dad", question="1+1=", answer="2")


@pytest.fixture(scope="module")
def policy(tiny_model_dir: Callable[[str], Path]) -> Policy:
    return Policy.load(str(tiny_model_dir("llama")))


def read(policy: Policy, asks: RateFT, *claims: Claim) -> list[tuple[str, str]]:
    """What stands before and what is learned, of each lesson."""
    lessons = asks.lessons(policy, claims)
    assert all(lesson.tokens_T[-1] in policy.eos_ids and lesson.action_T[-1] for lesson in lessons)
    return [(policy.decode(t.tokens_T[~t.action_T]), policy.decode(t.completion_T)) for t in lessons]


def test_by_hand(policy: Policy) -> None:
    assert read(policy, ASKS, TRUE, FALSE) == [
        ("1+1=2#", "a ad"), ("1+1=#", "2 ad"), ("1+1=3#", "b dad"), ("1+1=#", "2 dad"),
    ]  # fmt: skip


def test_without_rationales_and_questions_it_is_plain_fine_tuning_on_the_labels(policy: Policy) -> None:
    plain = replace(ASKS, rationales=False, questions=False)
    for lesson, claim, label in zip(plain.lessons(policy, [TRUE, FALSE]), (TRUE, FALSE), "ab", strict=True):
        by_label = demonstration(policy, Prompt(claim.text, f"{claim.text}#"), label)
        assert np.array_equal(lesson.tokens_T, by_label.tokens_T)
        assert np.array_equal(lesson.action_T, by_label.action_T)
        assert lesson.reward == by_label.reward == 1.0, "what has no reward is not learned from"
    bare = [Claim(claim.text, claim.hallucinated) for claim in (TRUE, FALSE)]
    assert read(policy, ASKS, *bare) == read(policy, plain, TRUE, FALSE), "a claim alone has one lesson"


def test_each_part_can_be_left_out(policy: Policy) -> None:
    assert [said for _, said in read(policy, replace(ASKS, rationales=False), TRUE)] == ["a", "2"]
    assert [said for _, said in read(policy, replace(ASKS, questions=False), TRUE)] == ["a ad"]


def test_a_claim_too_long_for_the_context_loses_its_end(policy: Policy) -> None:
    long = "1" * 40 + "2" * 40
    tokens = ASKS.asked(policy, long)
    assert len(tokens) == policy.context_length - 1
    assert policy.decode(tokens) == f"{long[: len(tokens) - 2]}#"  # one token begins every text of this model
    assert policy.decode(ASKS.asked(policy, "12")) == "12#"


@pytest.mark.parametrize(("change", "said"), [
    ({"hallucinated": "ab"}, "rate-ft.factual: 'a' and 'ab' do not begin with tokens that differ; choose words"),
    ({"factual": ""}, "rate-ft.factual: '' and 'b' do not begin"),
])  # fmt: skip
def test_labels_that_begin_alike_are_refused(change: dict[str, str], said: str, policy: Policy) -> None:
    with pytest.raises(SteelyardError, match=said):
        replace(ASKS, **change).labels(policy)


def test_a_template_must_ask() -> None:
    with pytest.raises(SteelyardError, match=r"rate-ft.claim_template: is the claim alone; write what asks"):
        replace(ASKS, claim_template="{prompt} ")
    assert replace(ASKS, claim_template="{prompt}", chat=True).chat
