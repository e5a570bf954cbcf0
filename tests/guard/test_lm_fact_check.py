"""The zero-shot rule and the head that is fitted on what an entailment model says."""

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.guard import LMFactCheck
from steelyard.guard.fact_guard import Evidence, FactGuard
from steelyard.guard.lm_fact_check import FactHead, zero_shot
from steelyard.policy.masked_model import Filled, MaskedModel

SAME, OTHER = Filled("a b", True, 0.0), Filled("a c", False, -2.5)


class Memory(MaskedModel):
    """Fills nothing that it was not told."""

    num_parameters = 3

    def __init__(self, *filled):
        self.filled = list(filled)

    def fill(self, texts, spans):
        return self.filled[: len(texts)]


class Pairs:
    """Says 1 where evidence and claim are the same."""

    num_parameters = 2

    def read(self, evidence, claims):
        return torch.tensor([[float(one == claim)] for one, claim in zip(evidence, claims, strict=True)])


def test_zero_shot_by_hand():
    assert zero_shot([SAME, OTHER]).tolist() == [True, False]
    guard = FactGuard(Memory(SAME, OTHER), None, LMFactCheck())
    assert guard(["a b", "a d"]).harm_N.tolist() == [0.0, 1.0]
    assert guard.shares(guard.evidence(["a b", "a d"], [(2, 3)] * 2)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert guard.num_parameters == 3


def test_logits_by_hand():
    head = FactHead(2, 1, seed=0)
    head.scale(torch.tensor([[0.0, 5.0], [4.0, 5.0]]))  # means 2 and 5, deviations 2 and none
    with torch.no_grad():
        head.inner.weight.copy_(torch.tensor([[3.0, 0.0]]))
        head.outer.weight.copy_(torch.tensor([[1.0], [0.0], [-1.0]]))
    # relu(3 * (4 - 2) / 2) = 3, and relu(-3) = 0.
    assert head(torch.tensor([[4.0, 5.0], [0.0, 5.0]])).tolist() == [[3.0, 0.0, -3.0], [0.0, 0.0, 0.0]]


def test_on_whether_words_are_the_same_the_head_learns_the_zero_shot_rule():
    claims = ["a b", "a d"] * 30
    guard = FactGuard(Memory(*[SAME, Filled("a c", False, -1.0)] * 30), Pairs(), LMFactCheck(hidden=4, steps=150))
    evidence = guard.evidence(claims, [(2, 3)] * 60)
    assert evidence.feature_NF.shape == (60, 1)
    guard.head, fitting = guard.method.begin(evidence.feature_NF, (~zero_shot(evidence.filled)).long(), seed=0)
    fitting.run()
    assert guard.shares(evidence).argmax(-1).tolist() == [0, 1] * 30
    assert guard.num_parameters == 3 + 2 + (4 + 4 + 3 * 4 + 3)


def test_odds_are_one_more_feature_and_end_somewhere():
    sure = Filled("x", False, float("-inf"))
    state = torch.ones(3, 2)
    assert LMFactCheck().features(state, [SAME, OTHER, sure]) is state
    assert LMFactCheck(odds=True).features(state, [SAME, OTHER, sure])[:, 2].tolist() == [0.0, -2.5, -30.0]
    assert LMFactCheck(odds=True).features(state[:0], []).shape == (0, 3)


def test_equal_seeds_repeat():
    feature, verdict = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 3
    heads = []
    for seed in (0, 0, 1):
        head, fitting = LMFactCheck(steps=5, batch=4).begin(feature, verdict, seed=seed)
        fitting.run()
        heads.append(head.outer.weight)
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])


def test_wrong_input():
    with pytest.raises(SteelyardError, match="there are no claims to learn from"):
        LMFactCheck().begin(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64), seed=0)
    with pytest.raises(SteelyardError, match="hidden: is 0"):
        LMFactCheck(hidden=0)
    assert FactGuard(Memory(), None, LMFactCheck()).shares(Evidence([], torch.zeros(0, 0))).shape == (0, 3)
