"""Generation on a GPU: the tokens that the processor draws, up to rounding."""

import numpy as np
import pytest
import torch

from gpu.shapes import CUDA
from rollout.drawn import assert_same, changed, requests_for, run
from steelyard.core import Sampling
from steelyard.policy import Policy
from steelyard.rollout import NativeEngine, TransformersEngine
from steelyard.rollout.block_sampling import draw_in_blocks
from steelyard.rollout.sampling import draw


@pytest.mark.parametrize("vocabulary", [28, 4099, 262144])
@pytest.mark.parametrize("settings", [{}, {"temperature": 0.6}, {"top_k": 40, "top_p": 0.9}, {"temperature": 0.0}])
def test_uniforms_draw_the_same_tokens(vocabulary, settings):
    generator = torch.Generator().manual_seed(1)
    logits_NV = 3 * torch.randn(64, vocabulary, generator=generator)
    uniform_N = torch.rand(64, dtype=torch.float64, generator=generator)
    sampling = Sampling(**{"max_tokens": 1, **settings})
    temperature = torch.tensor(sampling.temperature, device=CUDA)
    token_N, logp_N, sound_N = draw_in_blocks(logits_NV.to(CUDA), uniform_N.to(CUDA), temperature, sampling)
    expected_N, logp_expected_N = draw(logits_NV, uniform_N, sampling)
    same_N = token_N.cpu() == expected_N
    assert same_N.sum() >= (64 if vocabulary < 10**5 else 60)  # a sum's rounding may carry a uniform to a neighbour
    torch.testing.assert_close(logp_N.cpu()[same_N], logp_expected_N[same_N], atol=1e-4, rtol=1e-5)
    assert sound_N.all()


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize(
    "sampling", [Sampling(max_tokens=16), Sampling(0.0, 12), Sampling(1.0, 12, top_p=0.9)], ids=str
)
def test_completions_are_those_of_the_processor(both, family, sampling):
    here, there = both(family)
    engine = NativeEngine(there, 3, max_rows=8)
    assert engine.fixed
    for _ in range(2):  # the second time, all graphs are captured
        found = run(engine, requests_for(8), sampling)
        for key, t in run(NativeEngine(here, 3), requests_for(8), sampling).items():
            assert_same(found[key], t)


def test_graphs_go_on_with_newer_weights(both):
    here, there = both()
    engine, sampling = NativeEngine(there, 3), Sampling(max_tokens=16)
    run(engine, requests_for(8), sampling)
    graphs = engine._rows._graphs._captured
    captured = len(graphs)
    assert captured >= 2
    engine.load(changed(here, 4))
    found = run(engine, requests_for(8), sampling)
    assert engine._rows._graphs._captured is graphs
    for key, t in run(NativeEngine(here, 3), requests_for(8), sampling).items():
        assert_same(found[key], t)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_bfloat16_and_the_learner_agree_within_the_stated_bound(both, family):
    _, there = both(family, "bfloat16")
    gaps = []
    for t in run(NativeEngine(there, 0), requests_for(16), Sampling(max_tokens=16)).values():
        tokens_NT, action_NT = torch.tensor(t.tokens_T)[None].long(), torch.tensor(t.action_T)[None]
        with torch.no_grad():
            logp_NT = there.step_logp(tokens_NT, torch.ones_like(action_NT), action_NT).logp_NT
        gaps.append(np.abs(logp_NT[0].cpu().numpy() - t.logp_behaviour_T)[t.action_T])
    assert np.concatenate(gaps).mean() < 0.02


@pytest.mark.parametrize("family", ["gpt2", "gpt-neox", "llama"])
def test_the_models_own_forward_pass_generates_there_too(both, family):
    here, there = both(family)
    found, expected = (run(TransformersEngine(p, 3), requests_for(4), Sampling(max_tokens=10)) for p in (there, here))
    for key, t in found.items():
        assert_same(t, expected[key])


def test_a_window_and_episodes_are_as_on_the_processor(tiny_model_dir):
    from steelyard.model import attention_by_name

    mix = attention_by_name("sliding-window", {"window": 5})
    here, there = (Policy.load(str(tiny_model_dir("llama")), attention=mix) for _ in range(2))
    found = run(NativeEngine(there.to(CUDA), 3), requests_for(4), Sampling(max_tokens=24))
    for key, t in run(NativeEngine(here, 3), requests_for(4), Sampling(max_tokens=24)).items():
        assert_same(found[key], t)
