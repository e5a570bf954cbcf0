"""Adapters that the real vLLM takes alone: `make test-vllm`. The rest of them is tested in `tests/rollout`."""

import numpy as np
import pytest
import torch

from engines.conftest import RANK
from engines.test_vllm import LONG, SAME_NATS, killed
from rollout.drawn import requests_for, run, step_logp
from steelyard.cli import main
from steelyard.core import FaultError, Sampling, SteelyardError, Weights
from steelyard.rollout.vllm_adapters import MODELS, adapter_name, check_takes_adapters
from steelyard.rollout.vllm_check import look_at
from steelyard.rollout.vllm_client import ServerRefusesError
from steelyard.rollout.vllm_http import VllmEngine
from steelyard.rollout.vllm_trial import try_weights

GENERATE = "/inference/v1/generate"


@pytest.fixture
def policy(adapted):
    return adapted()


@pytest.fixture
def engine(policy, lora_server):
    return VllmEngine(policy, 0, lora_server.client, context=256, adapters=True)


def moved(policy, version, by=0.05):
    """Other adapters; they are then the policy's."""
    with torch.no_grad():
        for p in policy.trainable().values():
            p.add_(by)
    return Weights.of(policy.weights(), version)


def gap(policy, trajectories):
    return max(float(np.abs(t.logp_behaviour_T - step_logp(policy, t)).max()) for t in trajectories)


def loaded(client):
    return [entry["id"] for entry in client.get(MODELS)["data"] if entry["parent"]]


def ask(client, name, tokens):
    asked = {"max_tokens": 1, "logprobs": 0, "detokenize": False}
    return client.post(GENERATE, {"model": name, "token_ids": list(tokens), "sampling_params": asked})


def test_the_server_is_of_the_right_kind(lora_server, model_dir):
    assert look_at(lora_server.client, str(model_dir), lora_rank=RANK) == 256
    assert loaded(lora_server.client) == []


def test_it_computes_with_the_adapters_that_it_takes(engine):
    assert try_weights(engine) < SAME_NATS
    assert engine.compared == 7, "of the model below: embedding, head and five norms"


def test_a_new_version_is_drawn_with_and_the_old_one_is_gone(engine, policy, lora_server):
    run(engine, requests_for(1), Sampling(max_tokens=1))
    names = [adapter_name(0, Weights.of(policy.weights(), 0).digest)]
    for version in (1, 2, 12):
        old = run(engine, requests_for(4), Sampling(max_tokens=8))
        weights = moved(policy, version)
        assert gap(policy, old.values()) > 1e-2, "these are other weights"
        engine.load(weights)
        new = run(engine, requests_for(4), Sampling(max_tokens=8))
        assert {(t.version, t.digest) for t in new.values()} == {(version, weights.digest)}
        assert gap(policy, new.values()) < SAME_NATS
        assert any(new[key].tokens_T.tolist() != t.tokens_T.tolist() for key, t in old.items())
        names.append(adapter_name(version, weights.digest))
        assert loaded(lora_server.client) == names[-1:]
    for name in names[:-1]:
        with pytest.raises(ServerRefusesError, match=f"The model `{name}` does not exist"):
            ask(lora_server.client, name, (5, 14))


def test_every_adapter_counts(engine, policy):
    """One after the other is changed: the gap is there before the server has it, and not after."""
    (request,) = requests_for(1, {"a": (5, 14, 6, 16, 4, 4, 15)})
    engine.load(moved(policy, 1))
    for version, name in enumerate(sorted(policy.trainable()), start=2):
        (old,) = engine.generate([request], Sampling(max_tokens=8))
        with torch.no_grad():
            policy.trainable()[name].neg_()
        assert gap(policy, [old]) > 1e-3, name
        engine.load(Weights.of(policy.weights(), version))
        (new,) = engine.generate([request], Sampling(max_tokens=8))
        assert gap(policy, [new]) < SAME_NATS, name


def test_prefixes_of_another_version_are_not_found(engine, policy, lora_server):
    """Nothing is dropped: a prefix is kept under its adapter's name and path."""
    (request,) = requests_for(1, {"long": LONG})
    weights = moved(policy, 1)
    engine.load(weights)
    run(engine, [request], Sampling(max_tokens=2))
    name = adapter_name(1, weights.digest)
    assert ask(lora_server.client, name, LONG)["usage"]["prompt_tokens_details"]["cached_tokens"] == 128
    newer = moved(policy, 2)
    engine.load(newer)
    run(engine, requests_for(1, {"short": (5,)}), Sampling(max_tokens=1))
    name = adapter_name(2, newer.digest)
    assert ask(lora_server.client, name, LONG)["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    (t,) = engine.generate([request], Sampling(max_tokens=4))
    assert gap(policy, [t]) < SAME_NATS


def test_a_name_that_is_not_held_any_more_is_refused(engine, policy, lora_server):
    run(engine, requests_for(1), Sampling(max_tokens=1))
    name = adapter_name(0, Weights.of(policy.weights(), 0).digest)
    lora_server.client.tell("/v1/unload_lora_adapter", {"lora_name": name})
    with pytest.raises(FaultError, match=f"The model `{name}` does not exist"):
        list(engine.generate(requests_for(1), Sampling(max_tokens=1)))


def test_a_batch_that_is_given_up_leaves_a_server_that_goes_on(engine, policy):
    """Its last requests end while the next adapters come, and the ones after these."""
    for version in range(1, 5):
        running = engine.generate(requests_for(60), Sampling(max_tokens=200))
        next(running)
        running.close()
        engine.load(moved(policy, version))
    found = run(engine, requests_for(4), Sampling(max_tokens=8))
    assert gap(policy, found.values()) < SAME_NATS


def test_ranks_that_it_does_not_take(lora_server):
    with pytest.raises(SteelyardError, match=r"LoRA rank 9 is greater than max_lora_rank 8.*--max-lora-rank 16"):
        check_takes_adapters(lora_server.client, 9)


def test_a_server_without_adapters_is_one_line(server, model_dir, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("steelyard.runtime.engines.LOOK_S", 60.0)  # other work goes on beside tests
    monkeypatch.setenv("VLLM_API_KEY", server.client._headers["authorization"].removeprefix("Bearer "))
    flags = f"--lora-rank 2 --engine vllm --vllm.url {server.client.url} --output-dir {tmp_path / 'new'}"
    assert main(f"train arithmetic --model {model_dir} {flags}".split()) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "start it with --enable-lora --max-lora-rank 8 --max-loras 2 and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1" in err
    assert not (tmp_path / "new").exists()


def test_a_kill_in_the_middle_of_a_batch(start, adapted, policy, model_dir):
    """Another server is given the same adapters anew, and draws the same."""
    weights = moved(policy, 3)
    requests, sampling = requests_for(60), Sampling(max_tokens=60)
    server = start(model_dir, RANK)
    engine = VllmEngine(adapted(), 0, server.client, context=256, adapters=True)
    engine.load(weights)
    found = killed(server, engine, requests, sampling)
    again = start(model_dir, RANK)
    try:
        engine = VllmEngine(adapted(), 0, again.client, context=256, adapters=True)
        engine.load(weights)
        drawn = run(engine, requests, sampling)
        assert loaded(again.client) == [adapter_name(3, weights.digest)]
    finally:
        again.close()
    assert {(t.version, t.digest) for t in found} == {(3, weights.digest)}
    assert gap(policy, drawn.values()) < SAME_NATS
    for t in found:
        assert drawn[t.prompt_id, t.sample].tokens_T.tolist() == t.tokens_T.tolist()
