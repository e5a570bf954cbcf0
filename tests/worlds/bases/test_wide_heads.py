"""Wider heads compute the same: log-probabilities before and after, by a number and by greedy text."""

from pathlib import Path

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.policy import Policy, loading
from steelyard.worlds.bases.wide_heads import WideHeads, _spread, widened


def test_heads_are_spread_by_hand():
    """Two heads of four rows, each a pair of pairs: (0, 2) and (1, 3) are turned together."""
    rows = torch.arange(8.0)[:, None]
    turned = _spread(rows, 2, 8, halves=2)[:, 0].tolist()
    assert turned == [0, 1, 0, 0, 2, 3, 0, 0, 4, 5, 0, 0, 6, 7, 0, 0]
    assert _spread(rows, 2, 6, halves=1)[:, 0].tolist() == [0, 1, 2, 3, 0, 0, 4, 5, 6, 7, 0, 0]


@pytest.mark.parametrize("width", [6, 8, 32])
def test_the_function_is_the_same(tiny_model_dir, width):
    """Also with fewer heads of keys than of queries."""
    policy = Policy(*loading.load(str(tiny_model_dir("llama")), "float32"))
    wide = widened(policy, width)
    tokens_NT = torch.randint(0, 28, (3, 40), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(wide.next_logp(tokens_NT), policy.next_logp(tokens_NT), atol=1e-4, rtol=0)
    assert wide.model.config.head_dim == width


def test_the_model_is_written(tmp_path: Path, capsys):
    found = WideHeads(output_dir=str(tmp_path / "wide"))()
    assert found["apart"] < 1e-3
    again = Policy.load(str(tmp_path / "wide"))
    assert again.architecture is not None
    assert again.slow_reason is None
    assert {"lm_head.weight", "model.embed_tokens.weight"} <= again.trainable().keys(), "each is trained by itself"
    ours = Policy.load("steelyard/arithmetic")
    assert again.encode("1+2=") == ours.encode("1+2=")
    with pytest.raises(SteelyardError, match="is not empty"):
        WideHeads(output_dir=str(tmp_path / "wide"))()


@pytest.mark.parametrize(("family", "width", "said"), [
    ("llama", 4, "--head-dim: is 4; use an even number above 4"), ("llama", 7, "--head-dim: is 7"),
    ("gpt2", 32, "--model: is a gpt2; name a Llama"),
])  # fmt: skip
def test_what_cannot_be_widened(tiny_model_dir, family, width, said):
    with pytest.raises(SteelyardError, match=said):
        widened(Policy(*loading.load(str(tiny_model_dir(family)), "float32")), width)
