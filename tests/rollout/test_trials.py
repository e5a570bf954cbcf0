"""The engine of decode rules reads every token once, and says the same as one that reads rows whole."""

from typing import Any

import pytest
import torch

from rollout.drawn import assert_same, requests_for, run
from steelyard.core import Sampling
from steelyard.decode import CNTP
from steelyard.policy import Policy, loading
from steelyard.rollout import CandidateEngine
from steelyard.rollout.reading import Cached, Whole, forking_for, gather_rows

RULE = CNTP(n_min=2, n_max=5, ends=".,0123")


def windowed():
    """A model in which every other layer sees the last five tokens alone, in a cache that keeps no more."""
    import transformers

    sizes: dict[str, Any] = {
        "vocab_size": 28,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "head_dim": 4,
    }
    sizes |= {"num_key_value_heads": 2, "intermediate_size": 32, "max_position_embeddings": 64, "eos_token_id": 0}
    config = transformers.Gemma3TextConfig(
        **sizes, sliding_window=5, layer_types=["sliding_attention", "full_attention"], initializer_range=0.3
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return transformers.AutoModelForCausalLM.from_config(config)


@pytest.fixture(params=["llama", "native", "gpt2", "gpt-neox", "windowed"])
def policy(request, tiny_model_dir):
    if request.param == "windowed":
        return Policy(windowed(), loading.load(str(tiny_model_dir("gpt2")), "float32")[1])
    if request.param == "native":
        return Policy.load(str(tiny_model_dir("llama")))
    return Policy(*loading.load(str(tiny_model_dir(request.param)), "float32"))


def whole(policy, max_rows):
    engine = CandidateEngine(policy, RULE, 3, max_rows=max_rows)
    engine._reading = Whole
    return engine


def test_samples_are_those_of_rows_that_are_read_whole(policy):
    assert forking_for(policy) is Cached
    expected = run(whole(policy, 256), requests_for(3), Sampling(1.3, 12))
    assert sum(t.info["candidates"] for t in expected.values()) > 50
    for max_rows in (256, 9, 1):
        found = run(CandidateEngine(policy, RULE, 3, max_rows=max_rows), requests_for(3), Sampling(1.3, 12))
        for address, t in found.items():
            assert_same(t, expected[address])
            assert t.info == expected[address].info


def test_every_token_is_read_once(tiny_model_dir, monkeypatch):
    """Of a sample the prompt's pass reads the first position; each further forward is one row of one step."""
    policy = Policy.load(str(tiny_model_dir("llama")))
    read = []
    advance = Cached.advance
    monkeypatch.setattr(Cached, "advance", lambda self, token_N: read.append(len(token_N)) or advance(self, token_N))
    engine = CandidateEngine(policy, RULE, 3)
    read.clear()
    found = run(engine, requests_for(3), Sampling(1.3, 12))
    assert sum(read) == sum(t.info["forwards"] for t in found.values()) - len(found)


def test_continuations_at_once_are_bounded(tiny_model_dir, monkeypatch):
    policy = Policy.load(str(tiny_model_dir("llama")))
    sizes = []
    advance = Cached.advance
    monkeypatch.setattr(Cached, "advance", lambda self, token_N: sizes.append(len(token_N)) or advance(self, token_N))
    engine = CandidateEngine(policy, RULE, 3, max_rows=12)
    run(engine, requests_for(4), Sampling(1.3, 12))
    assert 6 < max(sizes) <= 12


@pytest.mark.parametrize("kind", [Cached, Whole])
@torch.inference_mode()
def test_gathered_rows_go_on_as_they_were(policy, kind):
    """Rows of two readings of different widths, one of them twice: each has the logits that it has alone."""
    prompts = [[5, 14, 6, 16, 7, 8, 9, 4], [9, 11]], [[4, 4, 15, 7, 7, 16]]
    parts = [kind(policy, p) for p in prompts]
    for part in parts:
        part.first()
    parts[0].advance(torch.tensor([6, 7]))
    joined = gather_rows([(parts[1], torch.tensor([0, 0])), (parts[0], torch.tensor([1]))])
    rows = [[*prompts[1][0]], [*prompts[1][0]], [9, 11, 7]]
    for tokens in ([3, 4, 5], [6, 6, 6], [7, 8, 9], [10, 11, 12]):
        for row, token in zip(rows, tokens, strict=True):
            row.append(token)
        found = joined.advance(torch.tensor(tokens))
        torch.testing.assert_close(found, Whole(policy, rows).first(), atol=1e-4, rtol=1e-4)
    assert joined.size == 3
    assert not isinstance(joined, Cached) or joined._attend_NT.shape[1] == 10, "as wide as its longest row"
    torch.testing.assert_close(
        parts[0].advance(torch.tensor([4, 5])), Whole(policy, [[*prompts[0][0], 6, 4], [9, 11, 7, 5]]).first(),
        atol=1e-4, rtol=1e-4,
    )  # fmt: skip
