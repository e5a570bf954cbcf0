"""A reranker that compares token by token: a score by hand, padding, order, and what is saved."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from policy.encoders import save_encoder
from steelyard.core import SteelyardError
from steelyard.data.late_interaction import LateInteraction
from steelyard.policy.text_states import Read, TextStates

VECTORS = {"x": (1.0, 0.0), "y": (0.0, 1.0), "z": (2.0, 3.0)}


class Given(TextStates):
    """States that are known: those of single letters."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.net: Any = nn.Linear(1, 1)
        self.net.device = torch.device("cpu")

    @property
    def width(self) -> int:
        return 2

    def forward(self, texts: Sequence[str]) -> Read:
        most = max(len(text) for text in texts)
        states = torch.tensor([[VECTORS.get(c, (9.0, 9.0)) for c in text.ljust(most)] for text in texts])
        said = torch.tensor([[t < len(text) for t in range(most)] for text in texts])
        return Read(states, said)


def given() -> LateInteraction:
    made = LateInteraction(Given(), width=2, seed=0)
    with torch.no_grad():
        made.compressor.weight.copy_(torch.eye(2))
        made.compressor.bias.zero_()
    return made


def test_by_hand() -> None:
    score = given()(["xy", "z"], [["x", "z"], ["xy", "y"]])
    # xy against x: max(x.x) + max(y.x) = 1 + 0; against z: 2 + 3. z against xy: max(2, 3); against y: 3.
    assert score.tolist() == [[1.0, 5.0], [3.0, 3.0]]


def test_padding_says_nothing_and_the_order_is_that_of_the_scores() -> None:
    made = given()
    alone = made(["x"], [["x"]])
    assert made(["x", "xyz"], [["x", "xxxy"], ["x", "y"]])[0, 0] == alone[0, 0]
    assert made.ranked("xy", ["x", "z", "x", "y"]) == [1, 0, 2, 3]
    assert made.ranked("xy", ["x", "z", "x", "y"], batch=1) == [1, 0, 2, 3]
    assert made.ranked("xy", []) == []


def test_what_is_saved_ranks_the_same(tmp_path: Path) -> None:
    made = LateInteraction(TextStates.load(save_encoder(tmp_path / "bert")), width=3, seed=5)
    asked = (["a b"], [["a", "b c", "c"]])
    made.save(tmp_path / "r")
    again = LateInteraction.load(tmp_path / "r")
    assert torch.allclose(again(*asked), made(*asked), atol=1e-6)
    (tmp_path / "r" / "compressor.safetensors").unlink()
    with pytest.raises(SteelyardError, match="no reranker can be read"):
        LateInteraction.load(tmp_path / "r")
