"""Every family that is read without transformers, against transformers: learner, engines, adapters and saved files.

Rows are longer than the windows, prompts are shared and padded, and the norms' weights are drawn at random too.
"""

import os

import pytest
import torch
from safetensors.torch import load_file, save_file

from policy.tiny_types import NATIVE, make
from steelyard.core import Request, Sampling, pad
from steelyard.policy import LoRA, Policy, loading
from steelyard.policy.meta_model import meta_policy, slow_generation
from steelyard.policy.native_loader import NativeModel
from steelyard.rollout import NativeEngine, engine_for, native

PROMPTS = {"a": (5, 14, 6, 16, 22, 9), "b": (9,), "c": (4, 4, 15, 7, 7, 16, 20, 11, 3, 5, 8, 12)}
NEAR = {"atol": 1e-4, "rtol": 0}
"""1e-4 nats."""


@pytest.fixture(params=NATIVE)
def place(request, tiny_model_dir, tmp_path):
    """A model's directory; no norm's weight is trivial."""
    kind, settings = NATIVE[request.param]
    made = make(kind, settings, tiny_model_dir("llama"), tmp_path / "model")
    weights = load_file(made / "model.safetensors")
    generator = torch.Generator().manual_seed(5)
    for tensor in weights.values():
        if tensor.ndim == 1:
            tensor += 0.3 * torch.randn(tensor.shape, generator=generator)
    save_file(weights, made / "model.safetensors", {"format": "pt"})
    return made


def _requests(samples=3):
    return [Request(id, tokens, sample) for id, tokens in PROMPTS.items() for sample in range(samples)]


def _theirs(place):
    policy = Policy(*loading.load(str(place), "float32"))
    assert not isinstance(policy.model, NativeModel)
    return policy


def _logp(policy, t):
    tokens_NT = torch.tensor(t.tokens_T)[None].long()
    action_NT = torch.tensor(t.action_T)[None]
    with torch.no_grad():
        return policy.step_logp(tokens_NT, torch.ones_like(action_NT), action_NT).logp_NT[0]


def test_the_learner_says_what_transformers_says(place):
    """Rows with shared prompts, then the same rows padded in front; gradients too."""
    ours, theirs = Policy.load(str(place)), _theirs(place)
    assert isinstance(ours.model, NativeModel)
    assert meta_policy(str(place)).num_parameters() == theirs.num_parameters()
    batch = pad(list(NativeEngine(ours, 0).generate(_requests(), Sampling(max_tokens=14))))
    rows = (batch.tokens_NT, batch.attend_NT, batch.action_NT)
    length_N = batch.attend_NT.sum(1).tolist()
    in_front = [torch.stack([x[i].roll(-length) for i, length in enumerate(length_N)]) for x in rows]
    assert ours.shares_prompts
    found, expected = (p.step_logp(*rows).logp_NT for p in (ours, theirs))
    torch.testing.assert_close(found, expected, **NEAR)
    torch.testing.assert_close(ours.step_logp(*in_front).logp_NT.sum(1), expected.sum(1), **NEAR)
    for logp_NT in (found, expected):
        logp_NT.sum(1).square().mean().div(100).backward()
    for (name, mine), other in zip(ours.trainable().items(), theirs.trainable().values(), strict=True):
        of = slice(2, None) if "embed" in name else slice(None)  # transformers keeps the padding token's embedding
        torch.testing.assert_close(mine.grad[of], other.grad[of], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("kind", ["in columns", "apart", "fixed"])
def test_engines_say_what_transformers_says(place, kind, monkeypatch):
    """Rows that are let in later, two at a time, so that prompts are kept between them."""
    monkeypatch.setattr(native, "SHARED", -1 if kind == "apart" else 10**9)
    assert slow_generation(str(place), None) is None
    engine = NativeEngine(Policy.load(str(place)), 0, max_rows=2, fixed=kind == "fixed")
    theirs = _theirs(place)
    found = list(engine.generate(_requests(), Sampling(max_tokens=14)))
    assert len(found) == 9
    for t in found:
        torch.testing.assert_close(torch.tensor(t.logp_behaviour_T), _logp(theirs, t), **NEAR)


def test_adapters_are_sampled_and_saved_in_the_model_s_own_layout(place, tmp_path):
    policy = Policy.load(str(place), lora=LoRA(rank=2))
    with torch.no_grad():
        for parameter in policy.trainable().values():
            parameter.add_(0.05)
    engine = engine_for(policy, 0)
    assert isinstance(engine, NativeEngine)
    for t in engine.generate(_requests(1), Sampling(max_tokens=10)):
        torch.testing.assert_close(torch.tensor(t.logp_behaviour_T), _logp(policy, t), **NEAR)
    saved = policy.save(tmp_path / "saved")
    _assert_same_model(saved, place, policy)


def test_the_learner_of_adapters_shares_prompts_and_says_what_transformers_says(place):
    """The adapters of transformers' modules, between which our attention stands; gradients reach them."""
    ours, theirs = (Policy.load(str(place), lora=LoRA(rank=2)) for _ in range(2))
    for policy in (ours, theirs):
        with torch.no_grad():
            for parameter in policy.trainable().values():
                parameter.add_(0.05)
    batch = pad(list(NativeEngine(ours, 0).generate(_requests(), Sampling(max_tokens=14))))
    rows = (batch.tokens_NT, batch.attend_NT, batch.action_NT)
    theirs.__dict__["_decoder"] = None
    assert ours.shares_prompts
    assert not theirs.shares_prompts
    found, expected = (p.step_logp(*rows).logp_NT for p in (ours, theirs))
    torch.testing.assert_close(found, expected, **NEAR)
    for logp_NT in (found, expected):
        logp_NT.sum(1).square().mean().div(100).backward()
    for mine, other in zip(ours.trainable().values(), theirs.trainable().values(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, atol=1e-4, rtol=1e-3)


def test_what_is_saved_is_loaded_by_transformers(place, tmp_path):
    policy = Policy.load(str(place))
    with torch.no_grad():
        for parameter in policy.trainable().values():
            parameter.mul_(1.1)
    _assert_same_model(policy.save(tmp_path / "saved"), place, policy)


def _assert_same_model(saved, place, policy):
    """The same tensors by name and shape, and logits of transformers that are the policy's."""
    before, after = (load_file(directory / "model.safetensors") for directory in (place, saved))
    assert {name: x.shape for name, x in before.items()} == {name: x.shape for name, x in after.items()}
    tokens_NT = torch.arange(20)[None] + 3
    torch.testing.assert_close(_theirs(saved).next_logp(tokens_NT), policy.next_logp(tokens_NT), **NEAR)


@pytest.mark.parametrize("window", [12 + 14 - 1, 12 + 14])
def test_prompts_are_shared_where_rows_are_no_longer_than_the_window(tiny_model_dir, tmp_path, monkeypatch, window):
    monkeypatch.setattr(native, "SHARED", -1)
    kind, settings = NATIVE["gemma3"]
    place = make(kind, {**settings, "sliding_window": window}, tiny_model_dir("llama"), tmp_path / "model")
    engine = NativeEngine(Policy.load(str(place)), 0)
    for t in engine.generate(_requests(), Sampling(max_tokens=14)):
        torch.testing.assert_close(torch.tensor(t.logp_behaviour_T), _logp(engine.policy, t), **NEAR)
    assert (engine._rows._prefixes is not None) == (window == 12 + 14)


@pytest.mark.long
@pytest.mark.skipif("STEELYARD_GEMMA_3" not in os.environ, reason="STEELYARD_GEMMA_3 names no Gemma 3 directory")
def test_a_pretrained_gemma_3():
    """Texts drawn by our own engine, and a row of random tokens that is longer than the window."""
    place = os.environ["STEELYARD_GEMMA_3"]
    ours, theirs = Policy.load(place), _theirs(place)
    assert isinstance(ours.model, NativeModel)
    texts = (
        "Question: What is 2+3?\nAnswer:",
        "The capital of France is",
        "Once upon a time, in a village by the sea,",
    )
    requests = [Request(text, tuple(ours.encode(text)), sample) for text in texts for sample in range(2)]
    for t in NativeEngine(ours, 0).generate(requests, Sampling(max_tokens=16)):
        expected = _logp(theirs, t)
        torch.testing.assert_close(torch.tensor(t.logp_behaviour_T), expected, **NEAR)
        torch.testing.assert_close(_logp(ours, t), expected, **NEAR)
    window = next(mix.window for mix in ours.architecture.attention if hasattr(mix, "window"))
    tokens_NT = torch.randint(0, ours.vocab_size, (1, window + 200), generator=torch.Generator().manual_seed(0))
    action_NT = torch.arange(window + 200)[None] >= window + 150
    with torch.no_grad():
        found, expected = (p.step_logp(tokens_NT, action_NT | True, action_NT).logp_NT for p in (ours, theirs))
    torch.testing.assert_close(found, expected, **NEAR)
