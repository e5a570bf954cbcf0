import pytest
import torch
from torch import nn

from steelyard.core import SteelyardError
from steelyard.policy import LoRA, Policy
from steelyard.policy.gradient_checkpointing import checkpoint_layers, layers_of

TOKENS = torch.tensor([[5, 14, 6, 16, 9, 8], [5, 14, 6, 7, 7, 4]])
ACTION = torch.tensor([[0, 0, 0, 1, 1, 1]] * 2).bool()


def _gradients(policy):
    steps = policy.step_logp(TOKENS, torch.ones_like(ACTION), ACTION)
    (steps.logp_NT.sum() + steps.prompt_ND.sum()).backward()
    return {name: p.grad for name, p in policy.trainable().items()}


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2", "gpt-neox"])
@pytest.mark.parametrize("lora", [None, LoRA(rank=2)], ids=["all", "adapters"])
def test_the_gradient_is_the_same(tiny_model_dir, family, lora):
    plain, again = (Policy.load(str(tiny_model_dir(family)), lora=lora) for _ in range(2))
    calls = []
    for layer in layers_of(again.model):
        layer.register_forward_hook(lambda *_: calls.append(1))
    for layer in layers_of(plain.model):
        layer.register_forward_hook(lambda *_: None)  # a model with hooks runs its own forward pass: both shall
    checkpoint_layers(again.model)
    expected = _gradients(plain)
    for name, gradient in _gradients(again).items():
        assert (gradient is None) == (expected[name] is None)
        if gradient is not None:
            torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6)
    assert len(calls) == 2


def test_layers_are_computed_once_where_no_gradient_is_taken(llama_dir):
    policy = Policy.load(llama_dir)
    counted = []
    for layer in layers_of(policy.model):
        forward = layer.forward
        layer.forward = lambda *x, forward=forward: counted.append(1) or forward(*x)
    checkpoint_layers(policy.model)
    with torch.no_grad():
        policy.step_logp(TOKENS, torch.ones_like(ACTION), ACTION)
    assert len(counted) == 2
    _gradients(policy)
    assert len(counted) == 2 + 2 + 2


def test_layers_among_which_adapters_share_prompts_are_computed_again_too(llama_dir):
    """They are other modules than the model's own layers."""
    plain, again = (Policy.load(llama_dir, lora=LoRA(rank=2)) for _ in range(2))
    counted = []
    for layer in again._decoder.model.layers:
        forward = layer.forward
        layer.forward = lambda *x, forward=forward: counted.append(1) or forward(*x)
    again.checkpoint_layers()
    assert again.shares_prompts
    expected = _gradients(plain)
    for name, gradient in _gradients(again).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-5, atol=1e-6)
    assert len(counted) == 2 + 2


def test_the_longest_list_that_is_in_no_other_holds_the_layers():
    experts = nn.ModuleDict({"experts": nn.ModuleList(nn.Linear(1, 1) for _ in range(9))})
    model = nn.ModuleDict({"norms": nn.ModuleList([nn.Identity()]), "layers": nn.ModuleList([experts, nn.Identity()])})
    assert layers_of(model) == [*model["layers"]]
    with pytest.raises(SteelyardError, match=r"--learner\.gradient-checkpointing: cannot be used"):
        checkpoint_layers(nn.Linear(1, 1))


@pytest.fixture
def llama_dir(tiny_model_dir):
    return str(tiny_model_dir("llama"))
