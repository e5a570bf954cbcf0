import numpy as np
import pytest
import torch

from steelyard.core import Request, Sampling, SteelyardError, Weights
from steelyard.eval.exact import exact_distance, list_logp, total_variation
from steelyard.policy import Policy
from steelyard.policy.loading import SHIPPED
from steelyard.rollout import engine_for
from steelyard.task import Enumerable
from steelyard.task.enumerable import LETTERS
from steelyard.worlds.bases.enumerable import make

TASK = Enumerable()


@pytest.fixture(scope="module")
def shipped():
    return Policy.load("steelyard/enumerable")


def test_made_again_it_is_the_shipped_model_bit_for_bit(tmp_path, shipped):
    torch.manual_seed(123)  # must not matter
    again = Policy.load(str(make(tmp_path / "again")))
    assert np.array_equal(again.weights(), shipped.weights())
    assert again.tokenizer.get_vocab() == shipped.tokenizer.get_vocab()
    other = Policy.load(str(make(tmp_path / "other", seed=1)))
    assert not np.array_equal(other.weights(), shipped.weights())
    with pytest.raises(SteelyardError, match="is not empty"):
        make(tmp_path / "again")


def test_it_is_small():
    assert sum(f.stat().st_size for f in (SHIPPED / "enumerable").iterdir()) < 400_000


def test_the_vocabulary_is_the_alphabet_and_nothing_ends_a_completion(shipped):
    assert shipped.vocab_size == len(shipped.tokenizer.get_vocab()) == len(LETTERS)
    assert shipped.encode(LETTERS) == list(range(len(LETTERS))) and shipped.decode(range(len(LETTERS))) == LETTERS
    assert shipped.eos_ids == ()


def test_the_reference_is_neither_flat_nor_near_the_target(shipped):
    flat = np.full(1000, -np.log(1000))
    for prompt in TASK.prompts("train"):
        assert 0.2 < total_variation(list_logp(shipped, prompt, TASK.completions(), 1.0), flat) < 0.5
    start = exact_distance(shipped, TASK, beta=0.15, reference=Weights.of(shipped.weights(), 0))
    assert 0.4 < start["eval/total_variation"] < 0.6


@pytest.mark.parametrize("temperature", [1.0, float("inf")])
def test_the_engine_samples_what_the_list_says(shipped, temperature):
    """1500 completions finish by length; each first letter comes as often as its probability says, within 5 sigma."""
    prompt, num = TASK.prompts("train")[0], 1500
    engine = engine_for(shipped, 0)
    requests = [Request(prompt.id, tuple(shipped.encode(prompt.text)), i) for i in range(num)]
    drawn = list(engine.generate(requests, Sampling(temperature, max_tokens=3)))
    assert {t.finish for t in drawn} == {"length"} and {len(t.completion_T) for t in drawn} == {3}
    p_V = np.full(10, 0.1)
    if temperature == 1.0:
        p_V = np.exp(list_logp(shipped, prompt, TASK.completions(), 1.0)).reshape(10, 100).sum(1)
    seen_V = np.bincount([t.completion_T[0] for t in drawn], minlength=10) / num
    assert (abs(seen_V - p_V) < 5 * np.sqrt(p_V * (1 - p_V) / num)).all()
