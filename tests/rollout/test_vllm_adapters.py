"""Adapters that are sent alone, against a small server that speaks vLLM's protocol."""

import json

import numpy as np
import pytest
import torch

from rollout.drawn import changed, requests_for, run, step_logp
from rollout.fake_vllm import FakeVllm, Refusal, serving
from steelyard.core import FaultError, Sampling, SteelyardError, Weights
from steelyard.policy import LoRA, Policy
from steelyard.rollout.vllm_adapters import adapter_name, check_takes_adapters, lora_words
from steelyard.rollout.vllm_check import check_server
from steelyard.rollout.vllm_client import ServerLostError, VllmClient
from steelyard.rollout.vllm_http import CHANGING, VllmEngine

LOAD, UNLOAD = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"


def adapted(directory):
    """A policy whose adapters change what it says."""
    policy = Policy.load(str(directory), lora=LoRA(rank=2))
    with torch.no_grad():
        for p in policy.trainable().values():
            p.add_(0.05)
    return policy


@pytest.fixture
def policy(tiny_model_dir):
    return adapted(tiny_model_dir("llama"))


@pytest.fixture
def fake(tiny_model_dir):
    return FakeVllm("m", adapted(tiny_model_dir("llama")))


@pytest.fixture
def client(fake):
    with serving(fake) as url:
        yield VllmClient(url, 10.0)


@pytest.fixture
def engine(policy, client):
    return VllmEngine(policy, 0, client, context=64, adapters=True)


def worst_gap(policy, found):
    return max(float(np.abs(t.logp_behaviour_T - step_logp(policy, t)).max()) for t in found.values())


@pytest.mark.parametrize(("rank", "largest"), [(1, "1"), (2, "8"), (8, "8"), (9, "16"), (257, "320"), (512, "512")])
def test_a_server_is_started_with_the_next_rank_that_it_knows(rank, largest):
    assert lora_words(rank) == ["--enable-lora", "--max-lora-rank", largest, "--max-loras", "2"]
    assert lora_words(0) == []


def test_each_version_is_an_adapter_of_its_own(engine, fake, policy):
    first = Weights.of(policy.weights(), 0)
    found = run(engine, requests_for(2), Sampling(max_tokens=6))
    assert list(fake.adapters) == [adapter_name(0, first.digest)] == [f"steelyard-v0-{first.digest}"]
    assert {(t.version, t.digest) for t in found.values()} == {(0, first.digest)}
    assert worst_gap(policy, found) < 1e-4
    assert fake.labels == [CHANGING, f"0 {first.digest}"]
    weights = changed(policy, 12, by=2.0)
    assert worst_gap(policy, found) > 1e-2, "these are other weights"
    engine.load(weights)
    newer = run(engine, requests_for(2), Sampling(max_tokens=6))
    assert list(fake.adapters) == [adapter_name(12, weights.digest)], "the earlier one is gone"
    assert {(t.version, t.digest) for t in newer.values()} == {(12, weights.digest)}
    assert worst_gap(policy, newer) < 1e-4


def test_the_model_below_is_sent_once_and_compared(engine, fake, policy):
    run(engine, requests_for(1), Sampling(max_tokens=2))
    assert engine.compared == 7
    for name, tensor in policy.base_weights().items():
        assert np.array_equal(fake.held[name].numpy(), tensor.numpy())
    asked = len(fake.asked)
    engine.load(changed(policy, 1))
    run(engine, requests_for(1), Sampling(max_tokens=2))
    later = fake.asked[asked:]
    assert later.count(LOAD) == later.count(UNLOAD) == 1
    assert not {"/collective_rpc", "/weight_checker", "/reset_prefix_cache"} & set(later)
    assert later.index(UNLOAD) < later.index(LOAD) < later.index("/inference/v1/generate")


def test_requests_name_their_adapter(engine, fake, policy):
    told = []
    generate = fake.generate
    fake.answers["/inference/v1/generate"] = lambda body: told.append(body["model"]) or generate(body)
    run(engine, requests_for(1), Sampling(max_tokens=2))
    assert set(told) == {adapter_name(0, Weights.of(policy.weights(), 0).digest)}


def test_a_server_that_does_not_hold_it_refuses(engine, fake):
    run(engine, requests_for(1), Sampling(max_tokens=2))
    fake.adapters.clear()  # it was started anew
    with pytest.raises(FaultError, match=r"The model `steelyard-v0-[0-9a-f]+` does not exist"):
        list(engine.generate(requests_for(1), Sampling(max_tokens=2)))


def test_tokens_of_another_version_are_refused(engine, fake):
    run(engine, requests_for(1), Sampling(max_tokens=2))
    fake.label = "8 fedcba9876543210"
    with pytest.raises(FaultError, match="drawn by weights '8 fedcba9876543210', not by '0 "):
        list(engine.generate(requests_for(1), Sampling(max_tokens=2)))


def test_what_another_searcher_left_is_unloaded(engine, fake, policy):
    name = adapter_name(0, Weights.of(policy.weights(), 0).digest)
    fake.adapters = {name: {}, "steelyard-trial-0": {}, "somebody-elses": {}}
    assert worst_gap(policy, run(engine, requests_for(1), Sampling(max_tokens=4))) < 1e-4
    assert sorted(fake.adapters) == ["somebody-elses", name]
    assert fake.asked.index("/abort_requests") < fake.asked.index(UNLOAD), "nobody asks for them any more"


def test_nothing_is_left_in_memory(engine, fake, tmp_path, monkeypatch):
    monkeypatch.setattr("steelyard.rollout.vllm_weights.MEMORY", tmp_path)
    run(engine, requests_for(1), Sampling(max_tokens=2))
    assert list(tmp_path.iterdir()) == []


def test_an_adapter_that_is_not_taken_ends_the_run_and_a_broken_server_does_not(engine, fake, policy):
    def refusing(body):
        raise Refusal(500, "While loading /dev/shm/a, expected target modules in {'q_proj'}")

    fake.answers[LOAD] = refusing
    with pytest.raises(FaultError, match=r"vLLM server: .* says: While loading .* \(500 at /v1/load_lora_adapter\)"):
        list(engine.generate(requests_for(1), Sampling(max_tokens=2)))
    del fake.answers["/health"]
    fake.answers["/health"] = refusing
    with pytest.raises(ServerLostError, match="is broken"):
        list(engine.generate(requests_for(1), Sampling(max_tokens=2)))


def test_a_server_that_takes_adapters(client, fake, tmp_path):
    fake.model = str(tmp_path)
    assert check_server(client, str(tmp_path), 5.0, lora_rank=16) == 64
    assert fake.adapters == {}
    fake.adapters["somebody-elses"] = {}
    assert check_server(client, str(tmp_path), 5.0) == 64, "an adapter is no model, and says no length"


def not_started_with_it(fake):
    fake.largest_rank = None


def no_routes(fake):
    del fake.answers[LOAD]


def too_small(fake):
    fake.largest_rank = 8


@pytest.mark.parametrize(("harm", "said"), [
    (not_started_with_it, "LoRA is not enabled. Use --enable-lora to enable LoRA. (500 at /v1/load_lora_adapter)"),
    (no_routes, "Not Found (404 at /v1/load_lora_adapter)"),
    (too_small, "LoRA rank 9 is greater than max_lora_rank 8. (500 at /v1/load_lora_adapter)"),
])  # fmt: skip
def test_a_server_that_takes_none_is_told_how_to_be_started(client, fake, harm, said):
    harm(fake)
    with pytest.raises(SteelyardError) as caught:
        check_takes_adapters(client, 9)
    line = str(caught.value)
    assert line.startswith("--vllm.lora: ")
    assert said in line
    assert "start it with --enable-lora --max-lora-rank 16 --max-loras 2 and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1" in line
    assert line.endswith("or add --vllm.lora merged")
    assert "\n" not in line


def test_a_server_that_answers_for_any_name_is_refused(client, fake):
    fake.misses_names = False
    with pytest.raises(SteelyardError, match="takes requests for adapters that it does not hold; start it witho"):
        check_takes_adapters(client, 2)


def test_what_is_written_is_what_peft_reads(policy, tmp_path):
    policy.save_adapters(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["bias"]) == (2, 16.0, "none")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
