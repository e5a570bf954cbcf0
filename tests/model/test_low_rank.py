"""Adapters of the residual stream: by hand, and which tokens they change."""

from types import SimpleNamespace

import torch

from steelyard.model.intervention import Pass
from steelyard.model.low_rank import LowRank

PAIR = (torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0], [0.0]]))


def reads(prompt):
    prompt = torch.tensor(prompt)
    return Pass(torch.zeros_like(prompt, dtype=torch.int64), torch.ones_like(prompt), prompt)


def test_by_hand_a_prompt_is_changed_and_its_completion_is_not():
    hidden = torch.tensor([[[1.0, 2.0], [1.0, 2.0]]])
    found = LowRank({"layers.0": PAIR}, scale=2.0).change("layers.0", hidden, reads([[True, False]]))
    assert found.tolist() == [[[1.0 + 2.0 * 3.0, 2.0], [1.0, 2.0]]]


def test_the_largest_weight_counts_and_is_asked_for_once_a_pass():
    asked = []

    def gate(weight):
        return SimpleNamespace(weight=lambda seen: asked.append(seen) or torch.tensor(weight).double())

    adapters = LowRank({"layers.0": PAIR, "layers.1": PAIR}, 1.0, [gate([0.0, 0.5]), gate([0.0, 0.25])])
    hidden, seen = torch.ones(2, 1, 2), reads([[True], [True]])
    assert adapters.sites(2) == ("layers.0", "layers.1")
    for site in adapters.sites(2):
        assert adapters.change(site, hidden, seen).tolist() == [[[1.0, 1.0]], [[2.0, 1.0]]]
    assert len(asked) == 2
    adapters.change("layers.0", hidden, reads([[True], [True]]))
    assert len(asked) == 4


def test_what_no_gate_opens_is_left_bit_for_bit():
    hidden = torch.randn(1, 2, 2)
    shut = SimpleNamespace(weight=lambda seen: torch.zeros(1).double())
    assert LowRank({"layers.0": PAIR}, 1.0, [shut]).change("layers.0", hidden, reads([[True, True]])) is hidden
