import numpy as np
import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.policy import Policy

FAMILIES = ("llama", "qwen3", "gpt2", "gpt-neox")


@pytest.fixture(params=FAMILIES)
def policy(request, tiny_model_dir):
    return Policy.load(str(tiny_model_dir(request.param)))


def test_what_a_policy_says_of_itself(policy):
    assert policy.eos_ids == (0,)
    assert policy.vocab_size == 28
    assert policy.context_length == 64
    assert 0 <= policy.pad_id < policy.vocab_size
    assert policy.num_parameters() == policy.num_parameters(trainable=False) == policy.num_bytes // 4


def test_every_end_of_sequence_token_counts(policy):
    policy.model.generation_config.eos_token_id = [3, 0]
    assert policy.eos_ids == (0, 3)
    policy.model.generation_config.eos_token_id = None
    policy.tokenizer.eos_token = None
    assert policy.eos_ids == ()
    assert 0 <= policy.pad_id < policy.vocab_size


def test_trainable_parameters_are_sorted_and_tied_ones_come_once(policy):
    names = list(policy.trainable())
    assert names == sorted(names)
    assert len({id(p) for p in policy.trainable().values()}) == len(names)


def _logits(policy, tokens):
    return policy.head(policy.backbone(input_ids=tokens)[0])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_round_trip_and_mean_the_same_to_another_copy(tiny_model_dir, dtype):
    one, two = (Policy.load(str(tiny_model_dir("qwen3")), dtype=dtype) for _ in range(2))
    with torch.no_grad():
        for p in one.trainable().values():
            p.mul_(1.1)
    data = one.weights()
    assert data.nbytes == one.num_bytes
    assert not np.array_equal(data, two.weights())
    two.load_weights(data)
    assert np.array_equal(two.weights(), data)
    tokens = torch.arange(3, 9)[None]
    assert torch.equal(_logits(one, tokens), _logits(two, tokens))


def test_weights_of_another_model_are_refused(policy):
    before = policy.weights()
    with pytest.raises(SteelyardError, match="bytes of weights"):
        policy.load_weights(before[:-4])
    assert np.array_equal(policy.weights(), before)


def test_holding_gives_the_weights_back_even_after_an_error(policy):
    before = policy.weights()
    other = np.zeros_like(before)
    with pytest.raises(RuntimeError, match="inside"), policy.holding(other):
        assert np.array_equal(policy.weights(), other)
        raise RuntimeError("inside")
    assert np.array_equal(policy.weights(), before)


def test_saved_is_what_transformers_loads(policy, tmp_path):
    from transformers import AutoModelForCausalLM

    path = policy.save(tmp_path / "deep" / "out")
    tokens = torch.arange(3, 9)[None]
    theirs = AutoModelForCausalLM.from_pretrained(path)
    torch.testing.assert_close(theirs(tokens).logits, _logits(policy, tokens), atol=1e-5, rtol=1e-5)
    for name, p in policy.trainable().items():
        assert torch.equal(theirs.get_parameter(name), p)
    again = Policy.load(str(path))
    assert np.array_equal(again.weights(), policy.weights())
    assert again.encode("1+2=") == policy.encode("1+2=")


def test_nothing_is_written_over_without_force(policy, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SteelyardError, match="not empty"):
        policy.save(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(SteelyardError, match="is a file"):
        policy.save(tmp_path / "mine.txt", force=True)
    policy.save(tmp_path, force=True)
    assert (tmp_path / "model.safetensors").exists()
    assert (tmp_path / "mine.txt").read_text() == "mine"
