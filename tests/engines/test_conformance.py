"""What every engine does alike: native, transformers, and vLLM where it is installed (make test-vllm).

An engine of one's own is held to it, too, where the variable ENGINE names it: ENGINE=my_engine.py:MyEngine.
The same policy, prompts and sampling go to each. What they draw may differ; what they say of it may not.
"""

import math
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import stats

from rollout.drawn import changed, requests_for, run, step_logp
from steelyard.core import Engine, Request, Sampling, SteelyardError, Weights
from steelyard.policy import LoRA, Policy, loading
from steelyard.rollout import NativeEngine, TransformersEngine
from steelyard.rollout.vllm_http import VllmEngine
from steelyard.task.loaded import load_callable

EOS = 0
YOURS = os.environ.get("ENGINE", "")
SAME_NATS = 1e-4
"""Log-probabilities of an engine and of the learner differ by less than this, at every token, in float32."""
PROMPT = (5, 14, 6, 16)


@dataclass(frozen=True)
class Kind:
    """An engine under test."""

    name: str
    make: Callable[..., Engine]
    directory: str

    def policy(self) -> Policy:
        """The model as this engine takes it."""
        if self.name == "transformers":
            return Policy(*loading.load(self.directory, "float32"))
        return Policy.load(self.directory)

    def adapted(self) -> Policy:
        """The same with adapters."""
        return Policy.load(self.directory, lora=LoRA(rank=2))


@pytest.fixture(params=["native", "transformers", "vllm", *(["yours"] if YOURS else [])])
def kind(request, model_dir):
    if request.param == "yours":
        return Kind("yours", load_callable(YOURS, "ENGINE"), str(model_dir))
    if request.param != "vllm":
        return Kind(
            request.param, {"native": NativeEngine, "transformers": TransformersEngine}[request.param], str(model_dir)
        )
    server = request.getfixturevalue("server")

    def make(policy: Policy, seed: int) -> VllmEngine:
        return VllmEngine(policy, seed, server.client, context=256)

    return Kind("vllm", make, str(model_dir))


def pooled(observed_V, expected_V):
    """Both with what is expected fewer than five times put together."""
    rare = expected_V < 5
    pairs = [np.append(x[~rare], x[rare].sum()) for x in (observed_V, expected_V)]
    keep = pairs[1] > 0
    return pairs[0][keep], pairs[1][keep]


def test_log_probabilities_are_those_of_the_learner(kind, table):
    policy, worst = kind.policy(), 0.0
    engine = kind.make(policy, 0)
    for temperature in (1.0, 0.6, 1.7):
        for t in run(engine, requests_for(16), Sampling(temperature, 24)).values():
            gap_T = np.abs(t.logp_behaviour_T - step_logp(policy, t, temperature))[t.action_T]
            worst = max(worst, float(gap_T.max()))
    table.add("largest gap of a log-probability to the learner's (nats)", kind.name, f"{worst:.0e}")
    assert worst < SAME_NATS


def test_samples_are_distributed_as_the_model_says(kind, table):
    """Pairs of tokens, by chi-square; the second one is drawn from a cache."""
    policy, n = kind.policy(), 3000
    found = run(kind.make(policy, 0), requests_for(n, {"a": PROMPT}), Sampling(max_tokens=2))
    counts = Counter(tuple(t.completion_T.tolist()) for t in found.values())
    first_V = policy.next_logp(torch.tensor([PROMPT]))[0, -1].double().exp()
    rows = torch.tensor([[*PROMPT, v] for v in range(policy.vocab_size)])
    second_VV = policy.next_logp(rows)[:, -1].double().exp()
    expected = (first_V[:, None] * second_VV).numpy() * n
    expected[EOS] = 0
    ended = float(first_V[EOS]) * n
    observed = np.array([[counts[a, b] for b in range(policy.vocab_size)] for a in range(policy.vocab_size)])
    pair = [np.append(x.ravel(), last) for x, last in ((observed, counts[(EOS,)]), (expected, ended))]
    left, right = pooled(*pair)
    p = float(stats.chisquare(left, right * left.sum() / right.sum()).pvalue)
    table.add(f"chi-square of {n:,} pairs of tokens against the model, {len(left)} cells (p)", kind.name, f"{p:.2f}")
    assert len(left) > 30
    assert p > 1e-3


@pytest.mark.parametrize("cut", [{"top_k": 3}, {"top_p": 0.6}])
def test_cut_distributions_are_normalised(kind, table, cut):
    policy, worst = kind.policy(), 0.0
    for t in run(kind.make(policy, 0), requests_for(4), Sampling(max_tokens=6, **cut)).values():
        for i in np.flatnonzero(t.action_T):
            p_V = policy.next_logp(torch.tensor(t.tokens_T[:i])[None].long())[0, -1].exp()
            p_V, order_V = p_V.sort(descending=True)
            num = 3 if "top_k" in cut else int((p_V.cumsum(0) < 0.6).sum()) + 1
            assert t.tokens_T[i] in order_V[:num]
            expected = (p_V[order_V == t.tokens_T[i]] / p_V[:num].sum()).log().item()
            worst = max(worst, abs(float(t.logp_behaviour_T[i]) - expected))
    table.add(f"the same for {' '.join(f'{k} {v}' for k, v in cut.items())}", kind.name, f"{worst:.0e}")
    assert worst < SAME_NATS


def test_greedy_is_the_best_token_and_certain(kind, table):
    policy = kind.policy()
    found = run(kind.make(policy, 0), requests_for(1), Sampling(0.0, 12))
    for t in found.values():
        assert not t.logp_behaviour_T.any()
        for i in np.flatnonzero(t.action_T):
            assert t.tokens_T[i] == policy.next_logp(torch.tensor(t.tokens_T[:i])[None].long())[0, -1].argmax()
    table.add("greedy tokens are the best ones, with log-probability 0", kind.name, "yes")


def test_completions_end_where_they_should(kind, table):
    policy = kind.policy()
    engine = kind.make(policy, 0)
    plain = run(engine, requests_for(24), Sampling(max_tokens=12))
    assert {t.finish for t in plain.values()} == {"stop", "length"}
    for t in plain.values():
        assert EOS not in t.completion_T[:-1]
        assert t.finish == ("stop" if t.completion_T[-1] == EOS else "length")
        assert len(t.completion_T) == 12 or t.finish == "stop"
    stops = ("1", "a0", "=#")
    stopped = run(engine, requests_for(24), Sampling(max_tokens=12, stop=stops))
    assert any("stop" in t.info for t in stopped.values())
    for key, t in stopped.items():
        text = policy.decode(t.completion_T)
        cut = len(t.completion_T)
        assert t.completion_T.tolist() == plain[key].completion_T.tolist()[:cut], "the stop string is no other draw"
        if "stop" in t.info:
            assert text.endswith(t.info["stop"])
            assert not any(stop in policy.decode(t.completion_T[:-1]) for stop in stops)
        else:
            assert not any(stop in text for stop in stops)
    table.add("end tokens, stop strings and the bound end a completion, which holds what ended it", kind.name, "yes")


def test_an_address_draws_the_same_in_every_batch(kind, table):
    policy = kind.policy()
    engine = kind.make(policy, 0)
    requests = requests_for(6)
    together = run(engine, requests, Sampling(max_tokens=12))
    backwards = run(engine, requests[::-1], Sampling(max_tokens=12))
    for request in requests[::5]:
        (alone,) = engine.generate([request], Sampling(max_tokens=12))
        key = request.prompt_id, request.sample
        assert alone.tokens_T.tolist() == together[key].tokens_T.tolist() == backwards[key].tokens_T.tolist()
    other = run(kind.make(kind.policy(), 1), requests, Sampling(max_tokens=12))
    assert any(other[key].tokens_T.tolist() != t.tokens_T.tolist() for key, t in together.items())
    table.add("a completion depends on its address, not on its batch", kind.name, "yes")


def test_new_weights_are_taken_named_and_used(kind, table):
    policy, reference = kind.policy(), kind.policy()
    engine = kind.make(policy, 0)
    first = Weights.of(policy.weights(), 0)
    assert {(t.version, t.digest) for t in run(engine, requests_for(), Sampling(max_tokens=8)).values()} == {
        (0, first.digest)
    }
    worst = 0.0
    for version in (7, 8, 12):
        weights = changed(reference, version, 1.1)
        engine.load(weights)
        for t in run(engine, requests_for(8), Sampling(max_tokens=8)).values():
            assert (t.version, t.digest) == (version, weights.digest)
            worst = max(worst, float(np.abs(t.logp_behaviour_T - step_logp(reference, t)).max()))
    began = time.monotonic()
    engine.load(changed(reference, 13))
    run(engine, requests_for(1, {"a": PROMPT}), Sampling(max_tokens=1))
    took = time.monotonic() - began
    table.add("after new weights: their version, and the largest gap (nats)", kind.name, f"{worst:.0e}")
    table.add("new weights and a first token (s, on a busy machine)", kind.name, f"{took:.2f}")
    assert worst < SAME_NATS


def test_a_batch_keeps_the_weights_it_began_with(kind, table):
    policy, reference = kind.policy(), kind.policy()
    engine = kind.make(policy, 0)
    running = engine.generate(requests_for(8), Sampling(max_tokens=8))
    found = [next(running)]
    weights = changed(reference, 3)
    engine.load(weights)
    found += running
    assert {t.version for t in found} == {0}
    assert {t.version for t in run(engine, requests_for(1), Sampling(max_tokens=1)).values()} == {3}
    table.add("a batch keeps the weights it began with", kind.name, "yes")


def gap_with_adapters(engine, learner):
    """The largest one (nats), after the learner's adapters are loaded."""
    with torch.no_grad():
        for p in learner.trainable().values():
            p.add_(0.05)
    engine.load(Weights.of(learner.weights(), 1))
    found = run(engine, requests_for(4), Sampling(max_tokens=8))
    return max(float(np.abs(t.logp_behaviour_T - step_logp(learner, t)).max()) for t in found.values())


def test_adapters_can_be_loaded(kind, table):
    worst = gap_with_adapters(kind.make(kind.adapted(), 0), kind.adapted())
    table.add("with LoRA, merged: the largest gap (nats)", kind.name, f"{worst:.0e}")
    assert worst < SAME_NATS


def test_adapters_can_be_loaded_alone(lora_server, adapted, table):
    """Those of vLLM; the engines of this package have the model in their own process."""
    engine = VllmEngine(adapted(), 0, lora_server.client, context=256, adapters=True)
    worst = gap_with_adapters(engine, adapted())
    table.add("with LoRA, adapters alone: the largest gap (nats)", "vllm", f"{worst:.0e}")
    assert worst < SAME_NATS


def test_damaged_and_foreign_weights_are_refused(kind, table):
    policy = kind.policy()
    engine = kind.make(policy, 0)
    data = policy.weights()
    digest = Weights.of(data, 1).digest
    data[17] ^= 1
    with pytest.raises(SteelyardError, match="version 1 are damaged"):
        engine.load(Weights(data, 1, digest))
    with pytest.raises(SteelyardError, match="bytes of weights"):
        engine.load(Weights.of(data[:-4].copy(), 1))
    assert next(engine.generate(requests_for(1), Sampling(max_tokens=1))).version == 0
    table.add("damaged weights, and those of another model, are refused", kind.name, "yes")


def test_what_cannot_be_generated_is_refused_and_harms_nothing(kind, table):
    engine = kind.make(kind.policy(), 0)
    for request, sampling, said in (
        (
            Request("sum-17", (5,) * 250, 0),
            Sampling(max_tokens=7),
            r"prompt sum-17: 250 tokens and 7 .* context of 256",
        ),
        (Request("sum-18", (), 0), Sampling(), "prompt sum-18: it has no tokens"),
        (Request("sum-19", PROMPT, 0), Sampling(-1.0), "temperature"),
        (Request("sum-20", PROMPT, 0), Sampling(top_p=0.0), "top_p"),
        (Request("sum-21", PROMPT, 0), Sampling(max_tokens=0), "max_tokens"),
    ):
        with pytest.raises(SteelyardError, match=said):
            next(engine.generate([request], sampling))
    assert len(next(engine.generate([Request("c", (5,) * 250, 0)], Sampling(max_tokens=6))).tokens_T) <= 256
    assert run(engine, [], Sampling()) == {}
    table.add("what cannot be generated is refused by name, and the engine goes on", kind.name, "yes")


def test_who_stops_to_listen_can_ask_again(kind, table):
    """Given up in the middle of a batch: the next one has the same tokens, and takes no longer."""
    policy = kind.policy()
    engine = kind.make(policy, 0)
    sampling = Sampling(max_tokens=200)
    expected = run(engine, requests_for(1), sampling)
    running = engine.generate(requests_for(100), sampling)
    next(running)
    began = time.monotonic()
    running.close()
    closed = time.monotonic() - began
    found = run(engine, requests_for(1), sampling)
    for key, t in found.items():
        assert t.tokens_T.tolist() == expected[key].tokens_T.tolist()
    engine.load(changed(policy, 5))
    assert {t.version for t in run(engine, requests_for(1), Sampling(max_tokens=1)).values()} == {5}
    table.add("a batch that is given up is over after (s)", kind.name, f"{closed:.2f}")
    assert closed < 10


def test_temperatures_beyond_vllms(kind, table):
    """Uniform draws are the own engines' alone; vLLM refuses them in words."""
    policy = kind.policy()
    engine = kind.make(policy, 0)
    if kind.name == "vllm":
        with pytest.raises(SteelyardError, match="temperature: is inf"):
            next(engine.generate(requests_for(1), Sampling(math.inf)))
        table.add("temperature infinity (uniform)", kind.name, "refused")
        return
    found = run(engine, requests_for(4), Sampling(math.inf, 4))
    for t in found.values():
        np.testing.assert_allclose(t.logp_behaviour_T[t.action_T], -math.log(28), rtol=1e-6)
    table.add("temperature infinity (uniform)", kind.name, "yes")
