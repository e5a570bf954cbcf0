"""What is NativeEngine's own: rows that are let in and moved, columns that run out, weights that change on the way."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.drawn import PROMPTS, assert_same, by_address, changed, requests_for, run, step_logp
from steelyard.core import Sampling, SteelyardError, Weights
from steelyard.policy import LoRA, Policy, loading
from steelyard.rollout import NativeEngine, cache, native
from steelyard.rollout.network import Network
from steelyard.rollout.rows import Rows

LLAMA3 = {"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16}  # fmt: skip
LINEAR = {"rope_type": "linear", "rope_theta": 100.0, "factor": 3.0}
MODELS = {
    "llama, own keys for each head": ("llama", {"num_key_value_heads": 4}),
    "llama, biases, llama3 angles": ("llama", {"attention_bias": True, "mlp_bias": True, "rope_parameters": LLAMA3}),
    "llama, one wide key, linear angles": (
        "llama", {"head_dim": 10, "num_key_value_heads": 1, "rope_parameters": LINEAR}
    ),
    "qwen2, biases": ("qwen2", {"num_key_value_heads": 2}),
    "qwen3, biases": ("qwen3", {"num_key_value_heads": 2, "head_dim": 8, "attention_bias": True}),
    "mistral without a window": ("mistral", {"sliding_window": None, "num_key_value_heads": 2}),
    "mistral with a window": ("mistral", {"sliding_window": 5, "num_key_value_heads": 2}),
    "qwen2, one layer of two has a window": (
        "qwen2", {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1, "num_key_value_heads": 2},
    ),
}  # fmt: skip


@pytest.fixture(params=[math.inf, -1], ids=["in columns", "apart"], autouse=True)
def place(request, monkeypatch):
    """Prompts among the rows' own columns, and apart from them, however little that pays."""
    monkeypatch.setattr(native, "SHARED", request.param)


@pytest.fixture
def llama(tiny_model_dir):
    return Policy.load(str(tiny_model_dir("llama")))


@pytest.fixture
def narrow(monkeypatch):
    """Blocks of 4 columns."""
    for module in (cache, native):
        monkeypatch.setattr(module, "WIDTH", 4)


@pytest.fixture
def endless(monkeypatch):
    """Nothing ends a completion but its bound."""
    monkeypatch.setattr(Policy, "eos_ids", ())


def _alone(policy, requests, sampling, seed=0):
    """Each request's completion from an engine that draws nothing else."""
    return by_address(t for r in requests for t in NativeEngine(policy, seed).generate([r], sampling))


def _assert_all_same(found, expected):
    assert found.keys() == expected.keys()
    for key, t in found.items():
        assert_same(t, expected[key])


class Watch:
    """When each request began and ended, counted in tokens, and how many rows ran at each of them."""

    def __init__(self, monkeypatch):
        self.running, self.begun, self.ended = [], {}, {}
        admit, write = Rows.admit, Rows.write
        watch = self

        def watched_let_in(rows, requests, *arguments):
            admit(rows, requests, *arguments)
            watch.begun |= {(r.prompt_id, r.sample): len(watch.running) for r in requests}

        def watched_write(rows, *arguments):
            watch.running.append(rows.running)
            return write(rows, *arguments)

        monkeypatch.setattr(Rows, "admit", watched_let_in)
        monkeypatch.setattr(Rows, "write", watched_write)

    def follow(self, trajectories):
        found = []
        for t in trajectories:
            found.append(t)
            self.ended[t.prompt_id, t.sample] = len(self.running)
        return by_address(found)


# Rows


def test_rows_that_end_make_room_for_the_next(llama, monkeypatch):
    requests, sampling = requests_for(7)[:20], Sampling(max_tokens=16)
    expected = _alone(llama, requests, sampling)
    watch = Watch(monkeypatch)
    found = watch.follow(NativeEngine(llama, 0, max_rows=4).generate(requests, sampling))
    assert len({len(t.completion_T) for t in found.values()}) > 4  # ragged, or this shows nothing
    assert max(watch.running) == 4
    order = sorted(watch.begun, key=lambda key: watch.begun[key])
    assert len(order) == 20
    assert watch.begun[order[3]] == 0 < watch.begun[order[4]]
    assert watch.begun[order[4]] < max(watch.ended[key] for key in order[:4])
    # Rows are filled again as soon as one is free, while requests wait.
    until = watch.begun[order[-1]]
    assert set(watch.running[:until]) == {4}
    _assert_all_same(found, expected)


def test_columns_may_run_out_and_move_to_the_front(llama, monkeypatch, narrow):
    requests, sampling = requests_for(12), Sampling(max_tokens=12)
    expected = _alone(llama, requests, sampling)
    dropped, drop = [], cache.Cache.drop
    monkeypatch.setattr(cache.Cache, "drop", lambda *x: dropped.append(drop(*x)) or dropped[-1])
    found = run(NativeEngine(llama, 0, max_rows=3), requests, sampling)
    assert sum(by > 0 for by in dropped) > 2
    _assert_all_same(found, expected)


def test_all_rows_may_end_together_and_the_next_begin_at_the_front(llama, endless, narrow):
    requests, sampling = requests_for(6), Sampling(max_tokens=20)
    found = run(NativeEngine(llama, 0, max_rows=5), requests, sampling)
    assert {len(t.completion_T) for t in found.values()} == {20}
    assert {t.finish for t in found.values()} == {"length"}
    _assert_all_same(found, _alone(llama, requests, sampling))


def test_rows_are_used_again_by_later_calls_of_other_shapes(llama):
    """Also where prompts and completions change their lengths and the columns stay as many."""
    engine = NativeEngine(llama, 0)
    long, short = requests_for(4, {"long": tuple(range(4, 24))}), requests_for(4, {"short": (9, 5)})
    for requests, steps in ((short, 11), (long, 2), (short, 11), (long, 2), (short, 3)):
        sampling = Sampling(max_tokens=steps)
        _assert_all_same(run(engine, requests, sampling), _alone(llama, requests, sampling))


def test_rows_are_used_again_for_more_prompts_of_the_same_length(llama):
    engine, sampling = NativeEngine(llama, 0), Sampling(max_tokens=6)
    for count in (1, 2, 4):
        requests = requests_for(4 // count, {str(i): (i + 4, 9, 5) for i in range(count)})
        _assert_all_same(run(engine, requests, sampling), _alone(llama, requests, sampling))


def test_a_call_that_is_given_up_leaves_the_next_one_alone(llama):
    engine, sampling = NativeEngine(llama, 0, max_rows=4), Sampling(max_tokens=12)
    next(engine.generate(requests_for(), sampling))
    _assert_all_same(run(engine, requests_for(), sampling), _alone(llama, requests_for(), sampling))


def test_prompts_are_read_once_for_all_their_samples(llama, monkeypatch):
    """Also where these begin at different times."""
    prompts, read = [], Network.read

    def watched(network, tokens_NT, attend_NT):
        rows = zip(tokens_NT.tolist(), attend_NT.tolist(), strict=True)
        prompts.extend(tuple(v for v, real in zip(*row, strict=True) if real) for row in rows)
        return read(network, tokens_NT, attend_NT)

    monkeypatch.setattr(Network, "read", watched)
    run(NativeEngine(llama, 0, max_rows=2), requests_for(9), Sampling(max_tokens=8))
    assert sorted(prompts) == sorted(PROMPTS.values())


a_prompt = st.lists(st.integers(4, 23), min_size=1, max_size=12).map(tuple)


@settings(max_examples=12)
@given(
    st.lists(a_prompt, min_size=1, max_size=4),
    st.integers(1, 6),
    st.integers(1, 9),
    st.integers(1, 12),
    st.sampled_from([2, 8, 32]),
)
def test_completions_are_those_drawn_alone(tiny_model_dir, prompts, samples, max_rows, steps, width):
    policy, sampling = Policy.load(str(tiny_model_dir("qwen3"))), Sampling(max_tokens=steps)
    requests = requests_for(samples, {str(i): prompt for i, prompt in enumerate(prompts)})
    with pytest.MonkeyPatch.context() as patch:
        for module in (cache, native):
            patch.setattr(module, "WIDTH", width)
        found = run(NativeEngine(policy, 5, max_rows=max_rows), requests, sampling)
    _assert_all_same(found, _alone(policy, requests, sampling, 5))


# Weights that change


def _versions(t):
    return t.version_T if t.version_T is not None else np.full(len(t.tokens_T), t.version, np.int32)


def test_weights_in_flight_are_taken_between_two_tokens(llama, tiny_model_dir):
    other, requests, sampling = Policy.load(str(tiny_model_dir("llama"))), requests_for(10), Sampling(max_tokens=16)
    stamped = {0: Weights.of(llama.weights(), 0), 3: changed(other, 3), 7: changed(other, 7)}
    engine = NativeEngine(llama, 0, max_rows=6, in_flight=True)
    drawing = engine.generate(requests, sampling)
    found = [next(drawing)]
    for version in (3, 7):
        engine.load(stamped[version])
        found += [next(drawing) for _ in range(4)]
    assert (engine.version, engine.digest) == (7, stamped[7].digest)
    found = by_address([*found, *drawing])
    assert found.keys() == {(r.prompt_id, r.sample) for r in requests}

    for t in found.values():
        versions_T = _versions(t)
        assert versions_T.dtype == np.int32
        assert versions_T.shape == t.tokens_T.shape
        assert (np.diff(versions_T) >= 0).all()
        assert set(versions_T) <= {0, 3, 7}
        assert t.version == versions_T[0]
        assert (versions_T[: len(PROMPTS[t.prompt_id]) + 1] == t.version).all()
        assert t.digest == stamped[t.version].digest
        assert (t.version_T is None) == (len(set(versions_T)) == 1)
    assert {t.version for t in found.values() if t.version_T is not None} >= {0, 3}

    # What is of one version throughout is what an engine draws that never had another, also beside mixed rows that
    # share its prompt; and of what is mixed, the part before the change.
    for version, weights in stamped.items():
        own = [r for r in requests if found[r.prompt_id, r.sample].version == version]
        other.load_weights(weights.data)
        expected = _alone(other, own, sampling)
        assert expected
        for key, t in expected.items():
            first = int((_versions(found[key]) == version).sum())
            assert found[key].tokens_T[:first].tolist() == t.tokens_T[:first].tolist()
            np.testing.assert_allclose(found[key].logp_behaviour_T[:first], t.logp_behaviour_T[:first], atol=1e-4)
            if found[key].version_T is None:
                assert_same(found[key], t)


def test_tokens_after_a_change_are_drawn_by_the_new_weights(llama, tiny_model_dir):
    """Keys and values of older weights stay; where only the head has changed, these are no others, and all is exact."""
    old, new = (Policy.load(str(tiny_model_dir("llama"))) for _ in range(2))
    with torch.no_grad():
        new.head.weight.mul_(0.5)
    engine = NativeEngine(llama, 0, max_rows=12, in_flight=True)
    drawing = engine.generate(requests_for(12), Sampling(max_tokens=24))
    found = [next(drawing)]
    engine.load(Weights.of(new.weights(), 1))
    found += drawing
    assert sum(t.version_T is not None for t in found) > 4
    for t in found:
        logp_T = np.where(_versions(t) == 0, step_logp(old, t), step_logp(new, t))
        np.testing.assert_allclose(t.logp_behaviour_T, logp_T, atol=1e-4)


def test_without_it_no_trajectory_is_mixed(llama, tiny_model_dir):
    other = Policy.load(str(tiny_model_dir("llama")))
    engine, sampling = NativeEngine(llama, 0, max_rows=6), Sampling(max_tokens=16)
    stamped = {0: Weights.of(llama.weights(), 0), 3: changed(other, 3)}
    drawing = engine.generate(requests_for(10), sampling)
    found = [next(drawing)]
    engine.load(stamped[3])
    assert engine.version == 0
    found = by_address([*found, *drawing])
    assert engine.version == 3
    assert {(t.version, t.digest) for t in found.values()} == {(v, w.digest) for v, w in stamped.items()}
    assert all(t.version_T is None for t in found.values())
    for version, weights in stamped.items():
        other.load_weights(weights.data)
        own = [r for r in requests_for(10) if found[r.prompt_id, r.sample].version == version]
        expected = _alone(other, own, sampling)
        _assert_all_same({key: found[key] for key in expected}, expected)


def test_weights_that_come_between_two_calls_are_whole(llama):
    engine, first = NativeEngine(llama, 0, in_flight=True), llama.weights()
    weights = changed(llama, 4)
    llama.load_weights(first)
    assert {t.version for t in engine.generate(requests_for(), Sampling(max_tokens=4))} == {0}
    engine.load(weights)
    for t in engine.generate(requests_for(), Sampling(max_tokens=4)):
        assert (t.version, t.digest, t.version_T) == (4, weights.digest, None)


# Models


def _policy(name, tiny_model_dir):
    """A policy of transformers' model, with weights that are nowhere trivial."""
    import transformers

    family, changes = MODELS[name]
    sizes = {"vocab_size": 28, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
             "intermediate_size": 24, "max_position_embeddings": 64, "tie_word_embeddings": False}  # fmt: skip
    ids = {"bos_token_id": None, "eos_token_id": 0, "pad_token_id": 1}
    config = transformers.AutoConfig.for_model(family, **sizes | ids | changes)
    generator = torch.Generator().manual_seed(3)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            around = 1.0 if parameter.ndim == 1 else 0.0
            parameter.copy_(around + 0.3 * torch.randn(parameter.shape, generator=generator))
    return Policy(model, loading.load(str(tiny_model_dir("llama")), "float32")[1])


@pytest.mark.parametrize("name", MODELS)
def test_every_model_of_the_family_is_what_transformers_makes_of_it(name, tiny_model_dir):
    policy = _policy(name, tiny_model_dir)
    for (id, _), t in run(NativeEngine(policy, 0), requests_for(1), Sampling(0.0, 24)).items():
        tokens = torch.tensor([PROMPTS[id]])
        theirs = policy.model.generate(
            tokens, attention_mask=torch.ones_like(tokens), do_sample=False, max_new_tokens=24, pad_token_id=1
        )
        assert t.tokens_T.tolist() == theirs[0].tolist()
    for t in run(NativeEngine(policy, 0), requests_for(3), Sampling(max_tokens=24)).values():
        np.testing.assert_allclose(t.logp_behaviour_T, step_logp(policy, t), atol=1e-4)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_a_model_read_without_transformers_draws_the_same(tiny_model_dir, family):
    bare = Policy.load(str(tiny_model_dir(family)))
    theirs = Policy(*loading.load(str(tiny_model_dir(family)), "float32"))
    assert type(bare.model) is not type(theirs.model)
    found, expected = (run(NativeEngine(p, 0), requests_for(), Sampling(max_tokens=12)) for p in (bare, theirs))
    for key, t in found.items():
        assert_same(t, expected[key], atol=0)
    assert {t.digest for t in found.values()} == {t.digest for t in expected.values()}


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_bfloat16(tiny_model_dir, family):
    policy = Policy.load(str(tiny_model_dir(family)), dtype="bfloat16")
    found = run(NativeEngine(policy, 0, max_rows=8), requests_for(8), Sampling(max_tokens=16))
    error = np.concatenate([np.abs(t.logp_behaviour_T - step_logp(policy, t))[t.action_T] for t in found.values()])
    assert error.mean() < 0.02
    assert error.max() < 0.1


def test_adapters_are_added_to_the_weights(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")), lora=LoRA(rank=2))
    with torch.no_grad():
        for p in policy.trainable().values():
            p.add_(0.1)
    engine = NativeEngine(policy, 0)
    for t in run(engine, requests_for(), Sampling(max_tokens=8)).values():
        np.testing.assert_allclose(t.logp_behaviour_T, step_logp(policy, t), atol=1e-4)


def test_models_of_other_families_are_refused(tiny_model_dir):
    with pytest.raises(SteelyardError, match=r"of another family than ours, or .*; use TransformersEngine"):
        NativeEngine(Policy.load(str(tiny_model_dir("gpt2"))), 0)
