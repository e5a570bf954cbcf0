import math
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import stats

from rollout.drawn import PROMPTS, changed, requests_for, run, step_logp
from steelyard.core import Engine, Request, Sampling, SteelyardError, Weights
from steelyard.policy import LoRA, Policy, loading
from steelyard.rollout import NativeEngine, TransformersEngine, native

FAMILIES = ("llama", "qwen3", "gpt2", "gpt-neox")
OURS = ("llama", "qwen3")
KINDS = [(TransformersEngine, family, 0) for family in FAMILIES]
# Prompts among the rows' own columns, and apart from them, however little that pays.
KINDS += [(NativeEngine, family, least) for family in OURS for least in (math.inf, -1)]
EOS = 0


def _name(kind):
    engine, family, least = kind
    return f"{family}-{engine.__name__}" + ("-shared" if least < 0 else "")


def _load(directory, engine):
    """A policy for an engine, which remembers the engine."""
    policy = Policy(*loading.load(str(directory), "float32"))
    policy.engine = engine
    return policy


def _kinds(family=None):
    chosen = [kind for kind in KINDS if family in (None, kind[1])]
    return pytest.fixture(params=chosen, ids=_name)


@_kinds()
def policy(request, tiny_model_dir, monkeypatch):
    engine, family, least = request.param
    monkeypatch.setattr(native, "SHARED", least)
    return _load(tiny_model_dir(family), engine)


@_kinds("llama")
def llama(request, tiny_model_dir, monkeypatch):
    engine, family, least = request.param
    monkeypatch.setattr(native, "SHARED", least)
    return _load(tiny_model_dir(family), engine)


def _again(policy):
    return _load(policy.model.name_or_path, policy.engine)


def _run(policy, requests, sampling, *, seed=0, **options):
    """(prompt_id, sample) -> trajectory."""
    return run(policy.engine(policy, seed, **options), requests, sampling)


def test_it_is_an_engine(llama):
    assert isinstance(llama.engine(llama, 0), Engine)


def test_trajectories_are_whole(policy):
    sampling = Sampling(max_tokens=12)
    found = _run(policy, requests_for(8), sampling)
    for (id, _), t in found.items():
        prompt, completion = PROMPTS[id], t.completion_T
        assert t.tokens_T.dtype == np.int32
        assert t.logp_behaviour_T.dtype == np.float32
        assert tuple(t.tokens_T[: len(prompt)]) == prompt
        assert t.action_T.tolist() == [False] * len(prompt) + [True] * len(completion)
        assert not t.logp_behaviour_T[: len(prompt)].any()
        assert EOS not in completion[:-1]
        assert t.finish == ("stop" if completion[-1] == EOS else "length")
        assert len(completion) == 12 or t.finish == "stop"
        assert t.sampling == sampling
        assert t.reward is None
    assert {t.finish for t in found.values()} == {"stop", "length"}


@pytest.mark.parametrize("temperature", [1.0, 0.5, math.inf])
def test_behaviour_log_probabilities_are_those_of_step_logp(policy, temperature):
    for t in _run(policy, requests_for(), Sampling(temperature, 12)).values():
        np.testing.assert_allclose(t.logp_behaviour_T, step_logp(policy, t, temperature), atol=1e-4)


def test_first_tokens_are_distributed_as_the_model_says(policy):
    n, prompt = 3000, PROMPTS["a"]
    found = _run(policy, requests_for(n, {"a": prompt}), Sampling(max_tokens=1), max_rows=n)
    counts_V = np.bincount([t.tokens_T[-1] for t in found.values()], minlength=policy.vocab_size)
    p_V = policy.model(torch.tensor([prompt])).logits[0, -1].double().softmax(0).detach().numpy()
    rare = p_V * n < 5
    expected = np.append(p_V[~rare], p_V[rare].sum()) * n
    observed = np.append(counts_V[~rare], counts_V[rare].sum())
    keep = expected > 0
    assert keep.sum() > 5
    assert stats.chisquare(observed[keep], expected[keep]).pvalue > 1e-3


def test_second_tokens_are_distributed_as_the_model_says(policy):
    """Also after the cache was copied and cut."""
    n, prompt = 3000, PROMPTS["b"]
    found = _run(policy, requests_for(n, {"b": prompt}), Sampling(max_tokens=2), max_rows=n)
    pairs = Counter(tuple(t.completion_T.tolist()) for t in found.values())
    first_V = policy.model(torch.tensor([prompt])).logits[0, -1].double().softmax(0)
    top = next(v for v in first_V.argsort(descending=True).tolist() if v != EOS)
    second_V = policy.model(torch.tensor([[*prompt, top]])).logits[0, -1].double().softmax(0).detach().numpy()
    observed = np.array([pairs[top, v] for v in range(policy.vocab_size)])
    expected = second_V * observed.sum()
    rare = expected < 5
    pooled = [np.append(x[~rare], x[rare].sum()) for x in (observed, expected)]
    assert observed.sum() > 100
    assert stats.chisquare(*pooled).pvalue > 1e-3


def test_a_completion_does_not_depend_on_its_batch(policy):
    requests = requests_for()
    together = _run(policy, requests, Sampling(max_tokens=12))
    reordered = _run(policy, requests[::-1], Sampling(max_tokens=12), max_rows=4)
    for request in requests:
        key = request.prompt_id, request.sample
        alone = _run(policy, [request], Sampling(max_tokens=12))[key]
        for other in (together[key], reordered[key]):
            assert other.tokens_T.tolist() == alone.tokens_T.tolist()
            np.testing.assert_allclose(other.logp_behaviour_T, alone.logp_behaviour_T, atol=1e-4)
    assert len({tuple(t.tokens_T) for t in together.values()}) > 5


def test_another_seed_or_sample_draws_anew_and_a_longer_bound_keeps_the_beginning(llama):
    one, two = (_run(llama, requests_for(), Sampling(max_tokens=8), seed=seed) for seed in (0, 1))
    assert any(one[k].tokens_T.tolist() != two[k].tokens_T.tolist() for k in one)
    longer = _run(llama, requests_for(), Sampling(max_tokens=16))
    for key, t in one.items():
        assert longer[key].tokens_T.tolist()[: len(t.tokens_T)] == t.tokens_T.tolist()


def test_greedy_is_what_transformers_generates(policy):
    found = _run(policy, requests_for(1), Sampling(0.0, 12))
    for (id, _), t in found.items():
        tokens = torch.tensor([PROMPTS[id]])
        theirs = policy.model.generate(
            tokens, attention_mask=torch.ones_like(tokens), do_sample=False, max_new_tokens=12, pad_token_id=1
        )
        assert t.tokens_T.tolist() == theirs[0].tolist()
        assert not t.logp_behaviour_T.any()


def test_uniform_draws_every_token_with_minus_log_v(llama):
    found = _run(llama, requests_for(40), Sampling(math.inf, 8))
    logp = np.concatenate([t.logp_behaviour_T[t.action_T] for t in found.values()])
    np.testing.assert_allclose(logp, -math.log(28), rtol=1e-6)
    assert {int(v) for t in found.values() for v in t.completion_T} == set(range(28))


@pytest.mark.parametrize("cut", [{"top_k": 3}, {"top_p": 0.6}])
def test_cut_sampling_gives_the_normalised_log_probabilities(policy, cut):
    for t in _run(policy, requests_for(2), Sampling(max_tokens=6, **cut)).values():
        assert (t.logp_behaviour_T >= step_logp(policy, t, 1.0) - 1e-5).all()
        for i in np.flatnonzero(t.action_T):
            p_V = policy.model(torch.tensor(t.tokens_T[:i])[None].long()).logits[0, -1].softmax(0)
            p_V, order_V = p_V.sort(descending=True)
            num = 3 if "top_k" in cut else int((p_V.cumsum(0) < 0.6).sum()) + 1
            assert t.tokens_T[i] in order_V[:num]
            expected = (p_V[order_V == t.tokens_T[i]] / p_V[:num].sum()).log().item()
            assert t.logp_behaviour_T[i] == pytest.approx(expected, abs=1e-4)


def test_rows_come_as_they_end(llama):
    engine = llama.engine(llama, 0)
    lengths = [len(t.completion_T) for t in engine.generate(requests_for(8), Sampling(max_tokens=12))]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


def test_all_may_end_at_once_and_nothing_may_be_asked(llama):
    assert len(_run(llama, requests_for(2), Sampling(max_tokens=1))) == 6
    assert _run(llama, [], Sampling()) == {}


def test_prompts_are_read_once_for_all_their_samples(tiny_model_dir):
    llama, rows = _load(tiny_model_dir("llama"), TransformersEngine), []
    engine = TransformersEngine(llama, 0)
    hook = llama.head.register_forward_hook(lambda _, inputs, out: rows.append(len(inputs[0])))
    run(engine, requests_for(5), Sampling(max_tokens=4))
    hook.remove()
    assert rows[0] == 3
    assert rows[1] <= 15


def test_version_and_digest_are_those_of_the_weights(policy, tiny_model_dir):
    engine = policy.engine(policy, 0)
    first = Weights.of(policy.weights(), 0)
    old = list(engine.generate(requests_for(), Sampling(max_tokens=8)))
    assert {(t.version, t.digest) for t in old} == {(0, first.digest)}
    other = _again(policy)
    weights = changed(other, 7)
    engine.load(weights)
    new = list(engine.generate(requests_for(), Sampling(max_tokens=8)))
    assert {(t.version, t.digest) for t in new} == {(7, weights.digest)}
    assert weights.digest != first.digest
    for t in new:
        np.testing.assert_allclose(t.logp_behaviour_T, step_logp(other, t, 1.0), atol=1e-4)


def test_a_batch_keeps_the_weights_it_began_with(llama):
    engine, first = llama.engine(llama, 0, max_rows=9), llama.weights()
    weights = changed(llama, 3)
    llama.load_weights(first)
    running = engine.generate(requests_for(6), Sampling(max_tokens=8))
    found = [next(running)]
    engine.load(weights)
    found += running
    assert [t.version for t in found] == [0] * 9 + [3] * 9
    expected = _run(_again(llama), requests_for(6), Sampling(max_tokens=8), max_rows=9)
    for t in found[:9]:
        assert t.tokens_T.tolist() == expected[t.prompt_id, t.sample].tokens_T.tolist()


def test_damaged_or_foreign_weights_are_refused(llama):
    engine, data = llama.engine(llama, 0), llama.weights()
    digest = Weights.of(data, 1).digest
    data[17] ^= 1
    with pytest.raises(SteelyardError, match="version 1 are damaged"):
        engine.load(Weights(data, 1, digest))
    with pytest.raises(SteelyardError, match="bytes of weights"):
        engine.load(Weights.of(data[:-4].copy(), 1))
    assert next(engine.generate(requests_for(1), Sampling(max_tokens=1))).version == 0


@pytest.mark.parametrize("kind", [TransformersEngine, NativeEngine])
def test_adapters_can_be_loaded(tiny_model_dir, kind):
    directory = str(tiny_model_dir("qwen3"))
    learner, searcher = (Policy.load(directory, lora=LoRA(rank=2)) for _ in range(2))
    engine = kind(searcher, 0)
    with torch.no_grad():
        for p in learner.trainable().values():
            p.add_(0.1)
    engine.load(Weights.of(learner.weights(), 1))
    for t in engine.generate(requests_for(), Sampling(max_tokens=8)):
        np.testing.assert_allclose(t.logp_behaviour_T, step_logp(learner, t, 1.0), atol=1e-4)


def test_gradients_stay_on_between_trajectories_and_the_model_stays_in_eval_mode(llama):
    llama.model.train()
    for _ in llama.engine(llama, 0).generate(requests_for(), Sampling(max_tokens=4)):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        assert not llama.model.training or llama.engine is NativeEngine  # which leaves the model alone
    tokens_NT = torch.tensor([[5, 14, 6]])
    yes_NT, action_NT = torch.ones_like(tokens_NT, dtype=torch.bool), torch.tensor([[False, False, True]])
    llama.step_logp(tokens_NT, yes_NT, action_NT).logp_NT.sum().backward()


def test_what_cannot_be_generated_names_its_prompt(llama):
    engine = llama.engine(llama, 0)
    long = Request("sum-17", (5,) * 60, 0)
    with pytest.raises(SteelyardError, match=r"prompt sum-17: 60 tokens and 5 .* context of 64"):
        next(engine.generate([*requests_for(), long], Sampling(max_tokens=5)))
    assert len(next(engine.generate([long], Sampling(max_tokens=4))).tokens_T) <= 64
    with pytest.raises(SteelyardError, match="prompt sum-18: it has no tokens"):
        next(engine.generate([Request("sum-18", (), 0)], Sampling()))
    with pytest.raises(SteelyardError, match="temperature"):
        next(engine.generate(requests_for(), Sampling(-1.0)))
    with pytest.raises(SteelyardError, match="max_rows"):
        llama.engine(llama, 0, max_rows=0)
