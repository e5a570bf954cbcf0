import copy

import numpy as np
import pytest
import torch

from policy.tiny_types import HEADS, make
from steelyard.core import Request, Sampling, SteelyardError
from steelyard.policy import LoRA, Policy
from steelyard.rollout import engine_for

FAMILIES = ("llama", "qwen3", "gpt2", "gpt-neox")
TOKENS = torch.tensor([[5, 14, 6, 16, 7, 0], [9, 15, 8, 16, 5, 0]])
ATTEND, ACTION = torch.ones_like(TOKENS, dtype=torch.bool), (torch.arange(6) > 2).expand(2, 6)


def _logp(policy):
    with torch.no_grad():
        return policy.step_logp(TOKENS, ATTEND, ACTION).logp_NT


def _train(policy, steps=3):
    optimiser = torch.optim.SGD([p for p in policy.model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        (-policy.step_logp(TOKENS, ATTEND, ACTION).logp_NT.sum()).backward()
        optimiser.step()


@pytest.fixture(params=FAMILIES)
def directory(request, tiny_model_dir):
    return str(tiny_model_dir(request.param))


def test_only_the_adapters_train_and_they_start_as_nothing(directory):
    base, policy = Policy.load(directory), Policy.load(directory, lora=LoRA(rank=2))
    assert all("lora_" in name for name in policy.trainable())
    assert policy.num_parameters() < base.num_parameters()
    torch.testing.assert_close(_logp(policy), _logp(base), atol=1e-6, rtol=0)
    frozen = {n: p.clone() for n, p in policy.model.named_parameters() if not p.requires_grad}
    _train(policy)
    assert (_logp(policy) - _logp(base)).sum() > 0.1
    now = dict(policy.model.named_parameters())
    assert all(torch.equal(p, now[n]) for n, p in frozen.items())


@pytest.mark.parametrize("targets", ["all-linear", "q_proj,embed_tokens", "lm_head"])
def test_weights_that_are_called_untrained_are_those_that_training_leaves(targets, tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("qwen3")), lora=LoRA(rank=2, targets=targets))
    before = {name: p.clone() for name, p in policy.plain_weights().items()}
    _train(policy)
    after = policy.plain_weights()
    assert {name for name in after if torch.equal(before[name], after[name])} == policy.untrained


def test_all_weights_are_trained_without_adapters(tiny_model_dir):
    assert not Policy.load(str(tiny_model_dir("qwen3"))).untrained


def test_holding_the_first_adapters_gives_the_base_model(directory):
    base, policy = Policy.load(directory), Policy.load(directory, lora=LoRA(rank=2))
    first = policy.weights()
    _train(policy)
    trained, after = policy.weights(), _logp(policy)
    with policy.holding(first):
        torch.testing.assert_close(_logp(policy), _logp(base), atol=1e-6, rtol=0)
    assert np.array_equal(policy.weights(), trained)
    assert torch.equal(_logp(policy), after)


def test_saved_is_a_plain_model_with_the_adapters_in_it(directory, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    policy = Policy.load(directory, lora=LoRA(rank=2))
    _train(policy)
    before = policy.weights()
    path = policy.save(tmp_path / "out")
    assert np.array_equal(policy.weights(), before)
    loaded = AutoModelForCausalLM.from_pretrained(path)
    assert not any("lora" in name for name in loaded.state_dict())
    torch.testing.assert_close(loaded(TOKENS).logits, policy.model(TOKENS).logits, atol=1e-4, rtol=1e-4)
    assert AutoTokenizer.from_pretrained(path).get_vocab() == policy.tokenizer.get_vocab()
    torch.testing.assert_close(_logp(Policy.load(str(path))), _logp(policy), atol=1e-4, rtol=1e-4)


def test_experts_in_one_tensor_are_adapted_and_saved(tiny_model_dir, tmp_path):
    """Their module is wrapped twice, once for each of its tensors."""
    settings = {**HEADS, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "head_dim": 8}
    directory = str(make("qwen3_moe", settings, tiny_model_dir("llama"), tmp_path / "moe"))
    policy = Policy.load(directory, lora=LoRA(rank=2))
    assert any(".experts." in name for name in policy.trainable())
    _train(policy)
    plain, base = policy.plain_weights(), Policy.load(directory).plain_weights()
    assert plain.keys() == base.keys()
    for name in ("gate_up_proj", "down_proj"):
        assert not torch.equal(plain[f"model.layers.0.mlp.experts.{name}"], base[f"model.layers.0.mlp.experts.{name}"])
    saved = Policy.load(str(policy.save(tmp_path / "out")))
    torch.testing.assert_close(_logp(saved), _logp(policy), atol=1e-4, rtol=1e-4)


def test_the_first_weights_come_from_the_seed_alone(directory):
    before = torch.random.get_rng_state()
    one, two, other = (Policy.load(directory, lora=LoRA(rank=2), seed=seed).weights() for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_adapters_are_float32_on_a_bfloat16_model(directory):
    policy = Policy.load(directory, lora=LoRA(rank=2), dtype="bfloat16")
    assert {p.dtype for p in policy.trainable().values()} == {torch.float32}
    data = policy.weights()
    _train(policy, steps=1)
    assert _logp(policy).dtype == torch.float32
    policy.load_weights(data)
    assert np.array_equal(policy.weights(), data)


def test_dropout_acts_only_while_a_gradient_is_taken(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")), lora=LoRA(rank=2, dropout=0.5))
    _train(policy)
    first, second = (policy.step_logp(TOKENS, ATTEND, ACTION).logp_NT for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(_logp(policy), _logp(policy))


def test_dropout_draws_by_seed_and_step_alone(tiny_model_dir):
    """A resumed learner at step 3 drops what the uninterrupted one does, whatever was drawn before."""

    def drawn(seed, step):
        policy = Policy.load(str(tiny_model_dir("llama")), lora=LoRA(rank=2, dropout=0.5), seed=seed)
        policy.load_weights(trained)
        torch.rand(step + seed)
        with policy.dropping(step):
            return policy.step_logp(TOKENS, ATTEND, ACTION).logp_NT

    first = Policy.load(str(tiny_model_dir("llama")), lora=LoRA(rank=2, dropout=0.5))
    _train(first)
    trained = first.weights()
    assert torch.equal(drawn(0, 3), drawn(0, 3))
    assert not torch.equal(drawn(0, 3), drawn(0, 4))
    assert not torch.equal(drawn(0, 3), drawn(1, 3))
    before = torch.random.get_rng_state()
    with first.dropping(0):
        torch.rand(1)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_targets_can_be_named(tiny_model_dir):
    directory = str(tiny_model_dir("llama"))
    names = Policy.load(directory, lora=LoRA(rank=2, targets="q_proj, v_proj")).trainable()
    assert len(names) == 2 * 2 * 2  # layers x targets x (A, B)
    assert all("q_proj" in n or "v_proj" in n for n in names)
    for targets in ("nothing", "q_proj,nothing"):
        with pytest.raises(SteelyardError, match=r"lora\.targets: the model has no layer 'nothing'"):
            Policy.load(directory, lora=LoRA(targets=targets))


def test_adapters_that_no_gradient_reaches_are_refused(tiny_model_dir):
    """A layer that the forward pass goes around."""
    policy = Policy.load(str(tiny_model_dir("gpt2")))
    policy.model.spare = torch.nn.Linear(4, 4)
    for targets in ("spare", "c_attn,spare"):
        with pytest.raises(SteelyardError, match=r"no gradient reaches the adapters of spare"):
            Policy(copy.deepcopy(policy.model), policy.tokenizer, LoRA(rank=2, targets=targets))


def test_engines_read_a_tied_head_and_its_embedding_apart(tiny_model_dir):
    """Qwen3 here is tied: adapters of the embedding alone leave the head as it was."""
    policy = Policy.load(str(tiny_model_dir("qwen3")), lora=LoRA(rank=2, targets="embed_tokens"))
    _train(policy)
    plain = policy.plain_weights()
    base = dict(Policy.load(str(tiny_model_dir("qwen3"))).model.named_parameters())["model.embed_tokens.weight"]
    assert torch.equal(plain["lm_head.weight"], base)
    assert not torch.equal(plain["model.embed_tokens.weight"], base)
    assert policy.architecture is not None
    assert not policy.architecture.tied
    request = Request("1", (5, 14, 6), 0)
    (found,) = engine_for(policy, 0).generate([request], Sampling(max_tokens=6))
    tokens, action = torch.tensor(found.tokens_T)[None].long(), torch.tensor(found.action_T)[None]
    logp = policy.step_logp(tokens, torch.ones_like(action), action).logp_NT[0]
    torch.testing.assert_close(torch.tensor(found.logp_behaviour_T), logp.detach(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("wrong", [{"rank": 0}, {"alpha": 0.0}, {"dropout": 1.0}, {"targets": " "}])
def test_settings_are_checked(wrong):
    with pytest.raises(SteelyardError, match=f"lora.{next(iter(wrong))}"):
        LoRA(**wrong)
