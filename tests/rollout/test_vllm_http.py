"""The engine over vLLM's protocol, against a small server that speaks it."""

import threading
import time

import numpy as np
import pytest

from rollout.drawn import PROMPTS, changed, requests_for, run
from rollout.fake_vllm import FakeVllm, HangUp, Refusal, serving, slowly
from steelyard.core import Engine, FaultError, Request, Sampling, SteelyardError, Weights
from steelyard.rollout import vllm_http
from steelyard.rollout.vllm_client import ServerLostError, VllmClient
from steelyard.rollout.vllm_http import CHANGING, VllmEngine

EOS = 0


@pytest.fixture
def fake(llama):
    return FakeVllm("m")


@pytest.fixture
def engine(fake, llama):
    with serving(fake) as url:
        yield VllmEngine(llama, 0, VllmClient(url, 5.0), context=64)


def test_it_is_an_engine(engine):
    assert isinstance(engine, Engine)


def test_trajectories_are_whole(engine):
    sampling = Sampling(max_tokens=12)
    found = run(engine, requests_for(8), sampling)
    for (id, _), t in found.items():
        prompt, completion = PROMPTS[id], t.completion_T
        assert tuple(t.tokens_T[: len(prompt)]) == prompt
        assert t.action_T.tolist() == [False] * len(prompt) + [True] * len(completion)
        assert t.logp_behaviour_T.dtype == np.float32
        assert t.logp_behaviour_T.tolist() == [0.0] * len(prompt) + [-1.5] * len(completion)
        assert EOS not in completion[:-1]
        assert t.finish == ("stop" if completion[-1] == EOS else "length")
        assert (t.sampling, t.reward, t.version) == (sampling, None, 0)
    assert {t.finish for t in found.values()} == {"stop", "length"}


def test_an_address_draws_the_same_whatever_is_beside_it(engine):
    requests = requests_for(4)
    together = run(engine, requests, Sampling(max_tokens=12))
    (alone,) = engine.generate(requests[5:6], Sampling(max_tokens=12))
    assert alone.tokens_T.tolist() == together[alone.prompt_id, alone.sample].tokens_T.tolist()
    engine.seed = 1
    other = run(engine, requests, Sampling(max_tokens=12))
    assert any(other[key].tokens_T.tolist() != t.tokens_T.tolist() for key, t in together.items())


def test_a_stop_string_is_cut_here(engine, fake, llama):
    tokens = llama.tokenizer.encode("12+3=4", add_special_tokens=False)
    fake.answers["/inference/v1/generate"] = lambda body: fake.answer(tokens)
    (t,) = engine.generate(requests_for(1)[:1], Sampling(max_tokens=len(tokens), stop=("+3",)))
    assert llama.decode(t.completion_T) == "12+3"
    assert (t.finish, t.info) == ("stop", {"stop": "+3"})
    assert len(t.logp_behaviour_T) == len(t.tokens_T)


def test_greedy_tokens_are_certain(engine):
    (t,) = engine.generate(requests_for(1)[:1], Sampling(0.0, 4))
    assert not t.logp_behaviour_T.any()


def test_settings_reach_the_server(engine, fake, llama):
    told = []
    generate = fake.generate
    fake.answers["/inference/v1/generate"] = lambda body: told.append(body) or generate(body)
    list(engine.generate([Request("a", (5, 6), 3)], Sampling(0.5, 7, top_p=0.9, top_k=4)))
    asked = told[0]["sampling_params"]
    assert told[0]["token_ids"] == [5, 6]
    assert asked == {
        "temperature": 0.5, "top_p": 0.9, "top_k": 4, "max_tokens": 7, "logprobs": 0, "stop_token_ids": [EOS],
        "ignore_eos": True, "detokenize": False, "seed": asked["seed"],
    }  # fmt: skip
    assert 0 <= asked["seed"] < 2**63


# Weights


def test_weights_are_taken_once_checked_and_then_named(engine, fake, llama):
    first = Weights.of(llama.weights(), 0)
    run(engine, requests_for(1), Sampling(max_tokens=2))
    assert fake.labels == [CHANGING, f"0 {first.digest}"]
    assert fake.asked.index("/collective_rpc") < fake.asked.index("/weight_checker")
    assert fake.asked.index("/weight_checker") < fake.asked.index("/reset_prefix_cache")
    assert engine.compared == 7, "embedding, head and five norms; what is packed away cannot be compared"
    asked = len(fake.asked)
    run(engine, requests_for(1), Sampling(max_tokens=2))
    assert set(fake.asked[asked:]) == {"/inference/v1/generate"}, "nothing is sent again"
    weights = changed(llama, 7)
    engine.load(weights)
    found = run(engine, requests_for(1), Sampling(max_tokens=2))
    assert {(t.version, t.digest) for t in found.values()} == {(7, weights.digest)}
    assert fake.labels[2:] == [CHANGING, f"7 {weights.digest}"]
    for name, tensor in llama.plain_weights().items():
        assert np.array_equal(fake.held[name].numpy(), tensor.numpy())


def test_a_batch_keeps_the_weights_it_began_with(engine, fake, llama):
    first = llama.weights()
    digest = Weights.of(first, 0).digest
    weights = changed(llama, 3)
    llama.load_weights(first)
    running = engine.generate(requests_for(4), Sampling(max_tokens=4))
    found = [next(running)]
    engine.load(weights)
    found += running
    assert {(t.version, t.digest) for t in found} == {(0, digest)}
    assert {t.version for t in engine.generate(requests_for(1), Sampling(max_tokens=1))} == {3}


def test_a_server_that_holds_other_weights_is_refused(engine, fake):
    reload = fake.answers["/collective_rpc"]

    def spoilt(body):
        found = reload(body)
        fake.held["model.norm.weight"] += 1e-3
        return found

    fake.answers["/collective_rpc"] = spoilt
    with pytest.raises(FaultError, match=r"weights of the vLLM server: model.norm.weight is not what was sent"):
        list(engine.generate(requests_for(1), Sampling(max_tokens=1)))
    assert fake.labels == [CHANGING], "it is never told that these are the weights"
    assert "/inference/v1/generate" not in fake.asked


def test_a_server_that_takes_nothing_is_refused(engine, fake, llama):
    run(engine, requests_for(1), Sampling(max_tokens=1))
    fake.answers["/collective_rpc"] = lambda body: {"results": [None]}
    engine.load(changed(llama, 1))
    with pytest.raises(FaultError, match="is not what was sent"):
        list(engine.generate(requests_for(1), Sampling(max_tokens=1)))
    fake.answers["/weight_checker"] = lambda body: {"checksums": {}}
    with pytest.raises(FaultError, match="none of its parameters can be compared"):
        list(engine.generate(requests_for(1), Sampling(max_tokens=1)))


def test_tokens_of_other_weights_are_refused(engine, fake):
    run(engine, requests_for(1), Sampling(max_tokens=1))
    fake.label = "default"  # it was started anew
    with pytest.raises(FaultError, match=r"drawn by weights 'default', not by '0 [0-9a-f]+'"):
        list(engine.generate(requests_for(1), Sampling(max_tokens=1)))


@pytest.mark.parametrize("spans", [[], [(0, 1)], [(0, 1), (2, 4)], [(1, 4)]])
def test_every_token_must_have_its_weights_named(engine, fake, spans):
    def answer(body):
        named = [{"version": fake.label, "start": a, "end": b} for a, b in spans]
        return fake.answer([5, 6, 7, 8], weight_versions=named)

    fake.answers["/inference/v1/generate"] = answer
    with pytest.raises(FaultError, match="its tokens were drawn by weights"):
        list(engine.generate(requests_for(1), Sampling(max_tokens=4)))


def test_prefixes_of_earlier_weights_are_dropped_or_nothing_is_drawn(engine, fake):
    fake.drops_prefixes = False
    with pytest.raises(ServerLostError, match="does not drop the prefixes"):
        list(engine.generate(requests_for(1), Sampling(max_tokens=1)))
    assert fake.labels == [CHANGING]
    fake.answers["/abort_requests"] = lambda body: setattr(fake, "drops_prefixes", True) or {}
    assert len(run(engine, requests_for(1), Sampling(max_tokens=1))) == 3


# What goes wrong


def test_a_server_that_goes_away_in_the_middle_of_a_batch(engine, fake):
    generate = fake.generate
    served = []

    def few(body):
        served.append(1)
        if len(served) > 5:
            raise HangUp
        return generate(body)

    fake.answers["/inference/v1/generate"] = few
    found = []
    with pytest.raises(ServerLostError, match=r"went away during /inference/v1/generate"):
        found.extend(engine.generate(requests_for(40), Sampling(max_tokens=4)))
    assert len(found) <= 5
    fake.answers["/inference/v1/generate"] = generate
    assert len(run(engine, requests_for(2), Sampling(max_tokens=4))) == 6, "it is there again"


def test_a_broken_server_and_one_that_refuses(engine, fake):
    def raising(error):
        def answer(body):
            raise error

        return answer

    fake.answers["/inference/v1/generate"] = raising(Refusal(500, "EngineCore encountered\nan issue"))
    with pytest.raises(ServerLostError, match=r"is broken: EngineCore encountered an issue \(500 at "):
        list(engine.generate(requests_for(1), Sampling(max_tokens=4)))
    fake.answers["/inference/v1/generate"] = raising(Refusal(400, "too long"))
    with pytest.raises(FaultError, match=r"vLLM server: .* says: too long \(400 at "):
        list(engine.generate(requests_for(1), Sampling(max_tokens=4)))


@pytest.mark.parametrize("answer", [
    b"[]", b"{", {"choices": []}, {"choices": [{"token_ids": [1]}]},
    {"choices": [{"token_ids": [1], "finish_reason": "stop", "weight_versions": [], "logprobs": {"content": []}}]},
])  # fmt: skip
def test_answers_in_another_language_are_refused(engine, fake, answer):
    fake.answers["/inference/v1/generate"] = lambda body: answer
    with pytest.raises(FaultError, match="vLLM server: "):
        list(engine.generate(requests_for(1), Sampling(max_tokens=4)))


def test_a_completion_that_was_ended_too_early_is_no_completion(engine, fake):
    fake.answers["/inference/v1/generate"] = lambda body: fake.answer([5, 6], finish_reason="abort")
    with pytest.raises(ServerLostError, match=r"ended a completion too early \(abort\)"):
        list(engine.generate(requests_for(1), Sampling(max_tokens=4)))


def test_logits_that_are_no_numbers_are_refused(engine, fake):
    fake.answers["/inference/v1/generate"] = lambda body: fake.answer([5, 6], [-9999.0] * 2)
    with pytest.raises(SteelyardError, match="logits are not finite"):
        list(engine.generate(requests_for(1), Sampling(max_tokens=2)))


def test_an_answer_has_a_deadline(engine, fake):
    run(engine, requests_for(1), Sampling(max_tokens=1))
    engine.client.deadline_s = 0.3
    fake.answers["/inference/v1/generate"] = slowly(3.0, fake.generate)
    began = time.monotonic()
    with pytest.raises(ServerLostError, match=r"said nothing to /inference/v1/generate for 0.3 s"):
        list(engine.generate(requests_for(9), Sampling(max_tokens=4)))
    assert time.monotonic() - began < 2.5


def test_who_stops_to_listen_ends_the_requests(engine, fake):
    release = threading.Event()
    first = threading.Lock()

    def held(body):
        if not first.acquire(blocking=False):
            release.wait(20)
        return fake.generate(body) | {"padding": "x" * 10_000_000}

    fake.answers["/inference/v1/generate"] = held
    running = engine.generate(requests_for(3), Sampling(max_tokens=2))
    next(running)
    began = time.monotonic()
    running.close()
    assert time.monotonic() - began < 5, "nobody waits for completions that nobody wants"
    release.set()
    assert fake.hung_up.wait(10), "the server notices"


@pytest.mark.parametrize(("sampling", "said"), [
    (Sampling(float("inf")), "temperature: is inf; use 0, or 0.01 and more"),
    (Sampling(0.001), "temperature: is 0.001"),
    (Sampling(max_tokens=62), "4 tokens and 62 to generate exceed the model's context of 64"),
    (Sampling(rule="best"), "rule is 'best'"),
])  # fmt: skip
def test_what_a_server_would_do_otherwise_is_refused(engine, fake, sampling, said):
    with pytest.raises(SteelyardError, match=said):
        list(engine.generate(requests_for(1), sampling))
    assert fake.asked == []


@pytest.mark.parametrize("tokens", [(5, 28), (-1, 5)])
def test_a_token_that_the_model_has_not_would_end_the_server(engine, fake, tokens):
    with pytest.raises(SteelyardError, match="prompt a: a token is not below 28"):
        list(engine.generate([Request("a", tokens, 0)], Sampling(max_tokens=1)))
    assert fake.asked == []


def test_nothing_may_be_asked(engine):
    assert run(engine, [], Sampling()) == {}


def test_more_requests_than_threads(engine, monkeypatch):
    monkeypatch.setattr(vllm_http, "AT_ONCE", 3)
    assert len(run(engine, requests_for(20), Sampling(max_tokens=3))) == 60


def test_a_policy_whose_states_are_changed_is_refused(by_transformers, llama):
    policy = by_transformers(llama)
    policy.model.model.layers[0].register_forward_hook(lambda *_: None)
    with pytest.raises(SteelyardError, match="which a server does not compute"):
        VllmEngine(policy, 0, VllmClient("unix:/nowhere", 1.0), context=64)
