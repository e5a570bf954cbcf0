import numpy as np
import pytest

from rollout.drawn import requests_for, run
from rollout.fake_vllm import FakeVllm, serving
from steelyard.core import Sampling, SteelyardError
from steelyard.policy import LoRA, Policy
from steelyard.rollout.vllm_client import VllmClient
from steelyard.rollout.vllm_http import VllmEngine
from steelyard.rollout.vllm_trial import try_weights

STALE = ("lm_head.weight", "model.embed_tokens.weight", "model.layers.1.self_attn.k_proj.weight", "model.norm.weight")


class Packed(FakeVllm):
    """Holds what it is given, and computes with one old parameter."""

    stale = ""

    def take(self, policy):
        old = policy.trainable()[self.stale].clone()
        super().take(policy)
        policy.trainable()[self.stale].data.copy_(old)


def test_a_server_that_computes_with_what_it_takes(llama, tiny_model_dir):
    before = llama.weights()
    with serving(FakeVllm("m", Policy.load(str(tiny_model_dir("llama"))))) as url:
        engine = VllmEngine(llama, 0, VllmClient(url, 30.0), context=64)
        assert try_weights(engine) < 1e-5
        assert np.array_equal(llama.weights(), before)
        assert {t.version for t in run(engine, requests_for(1), Sampling(max_tokens=2)).values()} == {0}
        assert np.array_equal(llama.weights(), before)


@pytest.mark.parametrize("stale", STALE)
def test_one_old_layer_is_found_though_every_checksum_is_right(llama, tiny_model_dir, stale):
    fake = Packed("m", Policy.load(str(tiny_model_dir("llama"))))
    fake.stale = stale
    before = llama.weights()
    with serving(fake) as url:
        engine = VllmEngine(llama, 0, VllmClient(url, 30.0), context=64)
        with pytest.raises(
            SteelyardError, match=r"--engine vllm: the server does not compute with the weights that it ta"
        ):
            try_weights(engine)
    assert engine.compared == 7
    assert np.array_equal(llama.weights(), before)


@pytest.fixture
def adapted(tiny_model_dir):
    """`adapted()`: a policy with adapters."""
    return lambda: Policy.load(str(tiny_model_dir("llama")), lora=LoRA(rank=2))


def test_adapters_are_tried_merged(llama, adapted):
    with serving(FakeVllm("m", llama)) as url:
        assert try_weights(VllmEngine(adapted(), 0, VllmClient(url, 30.0), context=64)) < 1e-5


def test_adapters_are_tried_alone(adapted):
    policy = adapted()
    before = policy.weights()
    with serving(FakeVllm("m", adapted())) as url:
        assert try_weights(VllmEngine(policy, 0, VllmClient(url, 30.0), context=64, adapters=True)) < 1e-5
    assert np.array_equal(policy.weights(), before)


@pytest.mark.parametrize("layer", ["0.self_attn.v_proj", "1.self_attn.k_proj", "1.mlp.down_proj"])
def test_one_adapter_that_is_left_out_is_found(adapted, layer):
    class Partly(FakeVllm):
        def adapt(self, policy, name):
            super().adapt(policy, name)
            for own, weight in policy.trainable().items():
                if f"{layer}.lora_B" in own:
                    weight.data.zero_()

    with serving(Partly("m", adapted())) as url:
        engine = VllmEngine(adapted(), 0, VllmClient(url, 30.0), context=64, adapters=True)
        with pytest.raises(SteelyardError, match=r"not compute with the weights that it takes.*--vllm.lora merged"):
            try_weights(engine)


def test_other_weights_below_the_adapters_are_found(adapted):
    class Changed(FakeVllm):
        def take(self, policy):
            super().take(policy)
            policy.base_weights()["model.layers.1.mlp.up_proj.weight"].mul_(1.2)

    with serving(Changed("m", adapted())) as url:
        engine = VllmEngine(adapted(), 0, VllmClient(url, 30.0), context=64, adapters=True)
        with pytest.raises(SteelyardError, match="does not compute with the weights that it takes"):
            try_weights(engine)
