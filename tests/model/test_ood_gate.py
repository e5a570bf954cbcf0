"""The gate that knows one kind of prompt: distances and weights by hand, and what it reads."""

import math

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.model.encoder import Encoder, EncoderSizes
from steelyard.model.intervention import Pass
from steelyard.model.ood_gate import distances, layer_means, padded, settle, shrunk_covariance, weight_of

SIZES = EncoderSizes(vocab_size=12, head="masked", hidden_size=16, intermediate_size=16, num_layers=2, num_heads=2)
FITTED = [[1, 2, 3], [1, 2, 4], [2, 1, 3, 4], [3, 2, 1]]
KINDS = {"nu": 0.1, "shrinkage": 0.1}


def gate(sides="two", threshold=0.0):
    return settle(Encoder(SIZES), FITTED[:3], FITTED[3:], **KINDS, threshold=threshold, sides=sides)


def reads(rows, prompts=None):
    tokens, real = padded(rows)
    return Pass(tokens, real, real if prompts is None else real & torch.tensor(prompts)[:, None])


def test_distance_by_hand():
    # Half of |(3, 4)|^2 at precision 1, less 1000 times the cosine with (1, 0), which is 3 / 5.
    found = distances(
        torch.tensor([[[3.0, 4.0]]]).double(), torch.zeros(1, 2).double(), torch.eye(2).double()[None],
        torch.tensor([[[1.0, 0.0]]]).double(),
    )  # fmt: skip
    assert found.tolist() == [[12.5 - 600.0]]


def test_covariance_by_hand():
    # Variances 1 and 0 with mean 1/2: at shrinkage .1 they are .9 + .05 and .05.
    found = shrunk_covariance(torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]]).double(), 0.1)
    torch.testing.assert_close(found[0].diagonal(), torch.tensor([0.95, 0.05]).double())


def test_weight_by_hand():
    normal = torch.tensor([[1.0, 1.0], [3.0, 1.0]]).double()
    score = torch.tensor([2.0, 100.0, -100.0]).double()
    top, floor = 1 / (1 + math.exp(-8)), 1 / (1 + math.exp(2))
    assert weight_of(score, normal, "two").tolist() == pytest.approx([top, floor, floor])
    assert weight_of(score, normal, "one").tolist() == pytest.approx([top, top, floor])
    middle = weight_of(torch.tensor([1.0]).double(), normal, "two")
    apart = 0.5 * math.erf(2 / math.sqrt(2))  # F(3) - F(1): half of each side of both normal distributions
    assert float(middle) == pytest.approx(1 / (1 + math.exp(-(10 * (1 - apart) - 2))))


def test_it_knows_its_prompts_and_no_others():
    found = gate("one")
    weight = found.weight(reads([*FITTED[:3], [9, 10, 11], [7, 8]]))
    assert weight[:3].min() > 0.6
    assert weight[3:].max() < 0.2
    shut = gate("one", threshold=0.3).weight(reads([FITTED[0], [9, 10, 11]]))
    assert shut[0] > 0.6 and shut[1] == 0


def test_a_pass_without_a_prompt_has_no_weight():
    weight = gate().weight(reads([FITTED[0], FITTED[1]], prompts=[False, True]))
    assert weight[0] == 0 < weight[1]


def test_padding_does_not_matter():
    encoder = Encoder(SIZES).eval()
    alone = layer_means(encoder, *padded([[1, 2]]))
    beside = layer_means(encoder, *padded([[1, 2], [1, 2, 3, 4, 5]]))
    assert len(alone) == 3
    for one, both in zip(alone, beside, strict=True):
        torch.testing.assert_close(one[0], both[0])


def test_one_prompt_of_each_kind_is_enough_and_none_is_not():
    found = settle(Encoder(SIZES), FITTED[:1], FITTED[:1], **KINDS, threshold=0.0, sides="two")
    assert found.weight(reads(FITTED[:1])) > 0.9
    for rows, named in ((([], FITTED), "to fit on"), ((FITTED, []), "that is held out")):
        with pytest.raises(SteelyardError, match=f"there is no prompt {named}"):
            settle(Encoder(SIZES), *rows, **KINDS, threshold=0.0, sides="two")
