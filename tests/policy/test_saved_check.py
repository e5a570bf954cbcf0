import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from steelyard.core import FaultError
from steelyard.policy import LoRA, Policy
from steelyard.policy.saved_check import apart, check_same, probe_tokens

TOKENS = torch.tensor([[5, 14, 6, 16, 7, 0], [9, 15, 8, 16, 5, 0]])
ATTEND = torch.ones_like(TOKENS, dtype=torch.bool)
ACTION = (torch.arange(6) > 2).expand(2, 6)


def test_distance_by_hand():
    one = torch.tensor([[[0.5, 0.5], [1.0, 0.0]]]).log()
    other = torch.tensor([[[0.25, 0.75], [0.0, 1.0]]]).log()
    assert apart(one, other) == pytest.approx((0.25 + 1) / 2)
    assert apart(one, one) == 0


def test_the_same_random_tokens_within_the_context():
    assert torch.equal(probe_tokens(28, 64), probe_tokens(28, 64))
    assert probe_tokens(28, 64).shape == (4, 16)
    assert probe_tokens(28, 5).shape == (4, 5)
    assert probe_tokens(28, 64).max() < 28


def test_nan_is_no_agreement():
    nan = torch.full((4, 16, 3), torch.nan)
    with pytest.raises(FaultError, match="is not the model that was trained"):
        check_same(lambda _: nan, lambda _: nan, probe_tokens(3, 16), 1e-3, Path("model"))


@pytest.fixture
def spoiled(monkeypatch):
    """`spoiled(change)`: whatever writes a model's weights, they are then changed on the disk."""

    def spoil(policy, change):
        write = type(policy.model).save_pretrained

        def save_pretrained(self, path):
            write(self, path)
            change(Path(path))

        monkeypatch.setattr(type(policy.model), "save_pretrained", save_pretrained)

    return spoil


def _scale(path):
    tensors = load_file(path / "model.safetensors")
    tensors["model.norm.weight"] *= 1.5
    save_file(tensors, path / "model.safetensors", {"format": "pt"})


def _other_base(path):
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1.0}))


@pytest.mark.parametrize("change", [_scale, _other_base])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_saved_model_that_computes_something_else_is_no_success(tiny_model_dir, tmp_path, spoiled, change, dtype):
    policy = Policy.load(str(tiny_model_dir("llama")), dtype=dtype)
    policy.save(tmp_path / "right")
    spoiled(policy, change)
    with pytest.raises(FaultError, match="is not the model that was trained") as found:
        policy.save(tmp_path / "wrong")
    assert "\n" not in str(found.value)


ENDS = ["embed_tokens", "lm_head", "embed_tokens,lm_head", "q_proj,lm_head", "q_proj,embed_tokens"]
CASES = [
    *(("llama", True, targets) for targets in [*ENDS, "all-linear"]),
    ("llama", False, "embed_tokens,lm_head"),
    ("qwen3", True, "q_proj,lm_head"),
    ("gpt2", True, "wte,lm_head"),
    ("gpt2", True, "c_attn,lm_head"),
    ("gpt2", False, "lm_head"),
    ("gpt-neox", True, "embed_in,lm_head"),
]


@pytest.mark.parametrize(("family", "tie", "targets"), CASES)
def test_adapters_of_head_and_embedding_are_saved_as_they_were_trained(tiny_model_dir, tmp_path, family, tie, targets):
    """Also where the two are one matrix: the saved model has two then."""
    policy = Policy.load(str(_tied(tiny_model_dir(family), tmp_path / "base", tie)), lora=LoRA(rank=2, targets=targets))
    optimiser = torch.optim.SGD(policy.trainable().values(), lr=0.1)
    first = policy.next_logp(probe_tokens(28, 64))
    for _ in range(2):
        optimiser.zero_grad()
        (-policy.step_logp(TOKENS, ATTEND, ACTION).logp_NT.sum()).backward()
        optimiser.step()
    for name in targets.split(","):
        if name != "all-linear":
            assert any(p.grad.any() for n, p in policy.trainable().items() if f"{name}.lora_" in n)
    trained = policy.next_logp(probe_tokens(28, 64))
    assert apart(trained, first) > 0.1
    again = Policy.load(str(policy.save(tmp_path / "out")))
    assert apart(trained, again.next_logp(probe_tokens(28, 64))) < 1e-5
    parted = targets != "all-linear"
    assert json.loads((tmp_path / "out" / "config.json").read_text())["tie_word_embeddings"] is (tie and not parted)
    by_transformers = _by_transformers(tmp_path / "out")
    assert apart(trained, by_transformers(probe_tokens(28, 64))) < 1e-5


def _tied(source, directory, tie):
    """The model with the head tied to the embedding, or not."""
    import transformers

    config = transformers.AutoConfig.from_pretrained(source)
    config.tie_word_embeddings = tie
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(directory)
    transformers.AutoTokenizer.from_pretrained(source).save_pretrained(directory)
    return directory


def _by_transformers(directory):
    import transformers

    net = transformers.AutoModelForCausalLM.from_pretrained(directory)
    return lambda tokens: torch.log_softmax(net(tokens).logits, -1).detach()
