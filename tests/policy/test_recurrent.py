import json
from pathlib import Path

import pytest
import torch
import transformers

from policy.tiny_types import ATTENTION, HEADS, RECURRENT, REFUSED, make
from steelyard.core import Request, Sampling, SteelyardError, pad
from steelyard.policy import Policy
from steelyard.policy.meta_model import meta_policy
from steelyard.rollout import TransformersEngine, engine_for
from steelyard.rollout.reading import Cached, Whole, reading_for

PROMPTS = [(5, 6, 7, 8, 9), (5, 6), tuple(range(10, 22))]


@pytest.fixture
def made(tiny_model_dir, tmp_path):
    return lambda kind, settings: str(make(kind, settings, tiny_model_dir("llama"), tmp_path / kind))


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in ("mamba", "rwkv") else pytest.mark.long)
             for kind in RECURRENT],
)  # fmt: skip
def test_a_model_with_recurrent_layers_is_sampled_trained_and_saved(made, tmp_path, kind):
    """Prompts of several lengths in one batch: padding reaches no state, and every parameter gets a gradient."""
    place = made(kind, RECURRENT[kind])
    assert f"{kind} has recurrent layers" in (meta_policy(place).slow_reason or "")
    policy = Policy.load(place)
    assert not policy.caches
    engine = engine_for(policy, 0)
    assert isinstance(engine, TransformersEngine)
    requests = [Request(str(i), tokens, 0) for i, tokens in enumerate(PROMPTS)]
    found = list(engine.generate(requests, Sampling(max_tokens=5)))
    for t in found:
        tokens = torch.tensor(t.tokens_T)[None].long()
        action = torch.tensor(t.action_T)[None]
        alone = policy.step_logp(tokens, torch.ones_like(action), action).logp_NT[0].detach()
        assert torch.allclose(alone, torch.tensor(t.logp_behaviour_T), atol=1e-4)
    batch = pad(found)
    right = policy.step_logp(batch.tokens_NT, batch.attend_NT, batch.action_NT).logp_NT
    left = [x.flip(1) for x in (batch.tokens_NT, batch.attend_NT, batch.action_NT)]
    for i, length in enumerate(batch.attend_NT.sum(1).tolist()):  # the same rows, padded in front
        for x, of in zip(left, (batch.tokens_NT, batch.attend_NT, batch.action_NT), strict=True):
            x[i] = of[i].roll(-length)
    shifted = policy.step_logp(*left).logp_NT
    assert torch.allclose(shifted.sum(1), right.sum(1), atol=1e-4)
    right.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in policy.trainable().values())
    policy.save(tmp_path / "saved")  # which loads and compares it


@pytest.mark.parametrize("kind", ATTENTION)
def test_a_model_of_attention_alone_keeps_its_cache(made, kind):
    policy = Policy.load(made(kind, ATTENTION[kind]))
    assert policy.caches
    assert reading_for(policy) is Cached


def test_a_cache_that_gives_other_logits_is_not_used(tiny_model_dir, monkeypatch):
    policy = Policy.load(str(tiny_model_dir("gpt2")))
    assert reading_for(policy) is Cached
    monkeypatch.setattr(Cached, "advance", lambda rows, token_N: torch.zeros(len(token_N), policy.vocab_size))
    assert reading_for(policy) is Whole


@pytest.mark.parametrize("kind", REFUSED)
def test_logits_that_are_no_plain_head_are_refused_in_the_plan_and_at_the_start(made, kind):
    place = made(kind, REFUSED[kind])
    for load in (meta_policy, Policy.load):
        with pytest.raises(SteelyardError, match=r"logits of .* are not head\(backbone\(tokens\)\)"):
            load(place)


def test_a_model_that_reads_both_ways_is_refused(made):
    place = made("bert-generation", HEADS)
    with pytest.raises(SteelyardError, match="earlier tokens depend on later ones"):
        Policy.load(place)


@pytest.mark.parametrize("named", ["BertForMaskedLM", "BartForConditionalGeneration", "LlamaForSequenceClassification"])
def test_files_of_another_kind_of_network_are_refused_in_the_plan(made, named):
    place = made("mistral", HEADS)
    file = Path(place) / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"architectures": [named]}))
    for load in (meta_policy, Policy.load):
        with pytest.raises(SteelyardError, match=r"does not write text from left to right|gives scores"):
            load(place)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_tokenizer_with_more_ids_than_the_model_is_refused_in_the_plan(tiny_model_dir, tmp_path, family):
    """The reverse is no fault: the models of conftest have four rows to spare."""
    place = tiny_model_dir(family)
    meta_policy(str(place))
    transformers.AutoModelForCausalLM.from_pretrained(place).save_pretrained(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    tokenizer.add_tokens([f"<more{i}>" for i in range(8)])
    tokenizer.save_pretrained(tmp_path)
    for load in (meta_policy, Policy.load):
        with pytest.raises(SteelyardError, match="has ids up to 31, but the model only 28 embeddings") as found:
            load(str(tmp_path))
        assert "\n" not in str(found.value)
