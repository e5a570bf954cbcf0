"""The learner on a GPU: the processor's step up to rounding, with less memory where that is asked for."""

import numpy as np
import pytest
import torch

from gpu.shapes import CUDA
from rollout.drawn import requests_for, run
from steelyard.core import Sampling, Weights
from steelyard.learner import Adam, Learner
from steelyard.learner.adamw import fused, update_for
from steelyard.objective import VarGradTB
from steelyard.policy import Policy, flat_parameters
from steelyard.policy.gradient_checkpointing import checkpoint_layers
from steelyard.policy.reference import reference_logp
from steelyard.rollout import NativeEngine


def _groups(policy):
    found = run(NativeEngine(policy, 3), requests_for(4), Sampling(max_tokens=12))
    made = [t.replace(logp_ref_T=t.logp_behaviour_T, reward=float(t.sample % 2), ref_version=0) for t in found.values()]
    return [[t for t in made if t.prompt_id == prompt] for prompt in ("a", "b", "c")]


def _learner(policy):
    return Learner(policy, VarGradTB(beta=0.2), Adam(), learning_rate=1e-3)


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2"])
def test_a_step_is_that_of_the_processor(both, family, tiny_model_dir):
    here, there = both(family)
    groups = _groups(Policy.load(str(tiny_model_dir("llama"))))
    rows = [_learner(policy).step(groups) for policy in (here, there)]
    assert rows[1]["learner/loss"] == pytest.approx(rows[0]["learner/loss"], rel=1e-4)
    assert rows[1]["learner/grad_norm"] == pytest.approx(rows[0]["learner/grad_norm"], rel=1e-3)
    gradients = [{name: p.grad.cpu() for name, p in policy.trainable().items()} for policy in (here, there)]
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(
            gradients[1][name], gradient, atol=1e-4 * float(gradient.abs().max()) + 1e-6, rtol=1e-3
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_optimiser_is_the_fused_kernel(dtype):
    assert update_for("cuda", dtype) is fused


def test_a_saved_learner_goes_on_bit_for_bit(both, tmp_path):
    here, there = both(dtype="bfloat16")
    groups = _groups(here)
    learner = _learner(there)
    learner.step(groups)
    learner.save(tmp_path)
    again = _learner(both(dtype="bfloat16")[1])
    again.restore(tmp_path)
    assert np.array_equal(again.policy.weights(), learner.policy.weights())
    for name, master in learner.masters.copies.items():
        assert torch.equal(again.masters.copies[name], master)
    on_cpu = _learner(here)
    on_cpu.restore(tmp_path)
    assert np.array_equal(on_cpu.policy.weights(), learner.policy.weights())


def test_weights_travel_bit_for_bit(both):
    here, there = both()
    assert np.array_equal(here.weights(), there.weights())
    block = flat_parameters.gather([*there.trainable().values()])
    assert np.array_equal(block.cpu().numpy(), here.weights())
    with torch.no_grad():
        there.head.weight.zero_()
    there.load_weights(here.weights())
    assert np.array_equal(here.weights(), there.weights())


def test_reference_weights_change_places_and_return(both):
    here, there = both()
    own = there.weights()
    with torch.no_grad():
        for p in here.trainable().values():
            p.mul_(1.3)
    reference = Weights.of(here.weights(), 3)
    sampled = [*run(NativeEngine(there, 0), requests_for(2), Sampling(max_tokens=8)).values()]
    with torch.no_grad():
        found, expected = (reference_logp(p, reference, sampled, 1.0) for p in (there, here))
    for t, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(t.logp_ref_T, e.logp_ref_T, atol=1e-4)
    assert np.array_equal(there.weights(), own)


def test_checkpointing_gives_the_same_gradient_in_less_memory(wide_model_dir):
    taken, gradients = [], []
    for again in (False, True):
        policy = Policy.load(str(wide_model_dir), dtype="bfloat16").to(CUDA)
        if again:
            checkpoint_layers(policy.model)
        tokens_NT = torch.randint(2, 60, (32, 200), generator=torch.Generator().manual_seed(0))
        action_NT = torch.ones_like(tokens_NT, dtype=torch.bool)
        action_NT[:, :4] = False
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        policy.step_logp(tokens_NT, torch.ones_like(action_NT), action_NT).logp_NT.sum().backward()
        taken.append(torch.cuda.max_memory_allocated() - before)
        gradients.append([p.grad.float() for p in policy.trainable().values()])
        del policy
    assert taken[1] < 0.6 * taken[0]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0.02, atol=0.02 * float(one.abs().max()))


def test_a_saved_model_is_compared_where_it_was_trained(wide_model_dir, tmp_path):
    policy = Policy.load(str(wide_model_dir), dtype="bfloat16").to(CUDA)
    policy.save(tmp_path / "model")
    again = Policy.load(str(tmp_path / "model"), dtype="bfloat16")
    assert np.array_equal(again.weights(), policy.weights())
