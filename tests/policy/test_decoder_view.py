"""A model of transformers as a decoder of our own: the same parameters, on whatever device they are."""

import pytest
import torch

from steelyard.policy import LoRA, Policy, loading
from steelyard.policy.decoder_view import decoder_over


def test_it_holds_the_model_s_own_parameters(tiny_model_dir):
    policy = Policy(*loading.load(str(tiny_model_dir("qwen3")), "bfloat16"))
    view = decoder_over(policy.model, policy.architecture)
    own = dict(policy.model.named_parameters())
    assert {name: id(p) for name, p in view.named_parameters()} == {name: id(p) for name, p in own.items()}
    assert view.get_buffer("inverse").dtype is torch.float32
    tokens_NT = torch.tensor([[5, 14, 6, 16, 9]])
    (expected,) = policy.backbone(input_ids=tokens_NT, use_cache=False)[:1]
    torch.testing.assert_close(view(tokens_NT)[0], expected, atol=0.05, rtol=0.02)
    with torch.no_grad():
        policy.model.get_parameter("model.norm.weight").zero_()
    assert not view(tokens_NT)[0].any()


def test_adapters_stand_in_it_and_it_follows_the_policy_to_another_device(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")), lora=LoRA(rank=2))
    view = policy._decoder
    adapted = view.get_submodule("model.layers.0.self_attn.q_proj")
    assert adapted is policy.model.get_submodule("model.layers.0.self_attn.q_proj")
    assert "lora_A" in dict(adapted.named_children())
    policy.to(torch.device("meta"))
    assert policy._decoder is view
    assert view.get_buffer("inverse").is_meta


def test_a_model_of_another_family_has_none(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("gpt2")), lora=LoRA(rank=2))
    assert policy._decoder is None
    assert not policy.shares_prompts


def test_hooks_are_heard(tiny_model_dir):
    """The view does not run whole layers of the model, so a policy with a hook runs the model itself."""
    policy = Policy.load(str(tiny_model_dir("llama")), lora=LoRA(rank=2))
    assert policy.shares_prompts
    hook = policy.model.model.layers[0].register_forward_hook(lambda module, inputs, output: output)
    assert not policy.shares_prompts
    hook.remove()
    assert policy.shares_prompts


@pytest.mark.parametrize("targets", ["lm_head,v_proj", "embed_tokens,q_proj", "embed_tokens,lm_head"])
def test_adapters_of_embedding_and_head_part_a_tied_matrix_there_too(tiny_model_dir, targets):
    policy = Policy.load(str(tiny_model_dir("qwen3")), lora=LoRA(rank=2, targets=targets))
    with torch.no_grad():
        for parameter in policy.trainable().values():
            parameter.add_(0.1)
    tokens_NT = torch.tensor([[5, 14, 6, 16, 9], [5, 14, 6, 7, 7]])
    action_NT = torch.tensor([[False, False, True, True, True]] * 2)
    assert policy.shares_prompts
    found = policy.step_logp(tokens_NT, action_NT | True, action_NT).logp_NT
    policy.__dict__["_decoder"] = None
    expected = policy.step_logp(tokens_NT, action_NT | True, action_NT).logp_NT
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
