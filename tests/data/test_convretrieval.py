"""CONVERSE: the contrast by hand, recall at K, and that turns come to lie near their own summaries."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from steelyard.core import SteelyardError
from steelyard.data import ConvRetrieval
from steelyard.data.conversation_encoder import ConversationEncoder
from steelyard.data.conversations import Conversation
from steelyard.data.convretrieval import Retriever, equal, nearest, recall_at
from steelyard.worlds.word_encoder import word_states

THINGS = ("fox", "hen", "cow", "owl")
SAID = [Conversation((thing, "well", say), f"wants {thing}") for thing in THINGS for say in ("that", "it")]
WORDS = [*THINGS, "well", "that", "it", "wants"]


def retriever(rule: ConvRetrieval) -> Retriever:
    words = word_states(WORDS, width=16, layers=1, context=4, seed=0)
    return Retriever(rule, ConversationEncoder(words, rule.selector, seed=0))


def test_the_contrast_by_hand() -> None:
    rule = ConvRetrieval(tau=0.5)
    query, key = torch.eye(2), torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    loss = rule.loss(query, key, torch.eye(2, dtype=torch.bool))
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-1))) / 2
    assert loss.item() == pytest.approx(expected)


def test_different_summaries_are_plain_cross_entropy_and_equal_ones_are_left_out() -> None:
    rule = ConvRetrieval(tau=1.0)
    draws = torch.Generator().manual_seed(0)
    query, key = (torch.randn(3, 4, generator=draws) for _ in range(2))
    plain = cross_entropy(query @ key.T, torch.arange(3))
    assert rule.loss(query, key, equal(["a", "b", "c"])).item() == pytest.approx(plain.item())
    every = rule.loss(query, key, equal(["a", "a", "a"]))
    assert every.item() == pytest.approx(0.0), "nothing is left to be told apart"


@pytest.mark.parametrize("keys", ["frozen", "shared"])
def test_turns_come_to_lie_near_their_summary(keys: str) -> None:
    rule = ConvRetrieval(keys=keys, batch=8, tau=0.1)  # pyright: ignore[reportArgumentType]
    made = retriever(rule)
    before = made.embedded_keys([one.summary for one in SAID])
    fitting = rule.begin(made, SAID, rate=1e-2, seed=0, steps=60)
    fitting.run()
    key_ND = made.embedded_keys([one.summary for one in SAID], batch=3)
    assert torch.equal(before, key_ND) == (keys == "frozen")
    query_ND = made.encoder.embed([one.turns for one in SAID])
    found = nearest((query_ND @ key_ND.T).numpy(), 2)
    assert recall_at(found, equal([one.summary for one in SAID]).numpy()) == 1.0
    again = retriever(rule)
    rule.begin(again, SAID, rate=1e-2, seed=0, steps=60).run()
    assert torch.equal(again.encoder.embed([one.turns for one in SAID]), query_ND), "equal seeds repeat"


def test_recall_by_hand() -> None:
    score = np.array([[0.9, 0.1, 0.9, 0.0], [0.0, 0.3, 0.2, 0.1], [1.0, 0.0, 0.0, 0.0]])
    found = nearest(score, 2)
    assert found.tolist() == [[0, 2], [1, 2], [0, 1]]
    right = np.array([[1, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]], bool)
    assert recall_at(found, right) == pytest.approx((2 / 2 + 1 / 1) / 2), "nobody can find what is not there"
    assert recall_at(found, np.zeros((3, 4), bool)) == 0.0


def test_wrong_input() -> None:
    rule = ConvRetrieval()
    with pytest.raises(SteelyardError, match="there are no conversations"):
        rule.begin(retriever(rule), [], rate=1.0, seed=0)
    with pytest.raises(SteelyardError, match="all conversations have one summary"):
        rule.begin(retriever(rule), SAID[:2], rate=1.0, seed=0)
    with pytest.raises(SteelyardError, match=r"convretrieval.tau: is 0.0; use more than 0"):
        ConvRetrieval(tau=0.0)
