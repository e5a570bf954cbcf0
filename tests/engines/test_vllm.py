"""What only the real vLLM can show: `make test-vllm`. The rest of the engine is tested in `tests/rollout`."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from rollout.drawn import changed, requests_for, run, step_logp
from steelyard.core import FaultError, Request, Sampling, SteelyardError, Weights
from steelyard.rollout.vllm_check import look_at
from steelyard.rollout.vllm_client import ServerLostError
from steelyard.rollout.vllm_http import VllmEngine

SAME_NATS = 1e-4
LONG = tuple(int(v) for v in np.random.default_rng(0).integers(4, 24, 200))
"""A prompt of more than one block of vLLM's cache, which has 128 tokens on a processor."""


@pytest.fixture
def engine(policy, server):
    return VllmEngine(policy, 0, server.client, context=256)


def cached(client, tokens):
    """How many tokens of a prompt the server had kept from an earlier one."""
    asked = {"token_ids": list(tokens), "sampling_params": {"max_tokens": 1, "logprobs": 0, "detokenize": False}}
    return client.post("/inference/v1/generate", asked)["usage"]["prompt_tokens_details"]["cached_tokens"]


def test_the_server_is_of_the_right_kind(server, model_dir):
    assert look_at(server.client, str(model_dir)) == 256
    assert server.client.get("/weight_info", deadline_s=5.0).keys() == {"weight_version"}


def test_every_layer_takes_its_new_weights(engine, policy):
    """One parameter after the other is changed: the gap is there before the server has it, and not after."""
    (request,) = requests_for(1, {"a": (5, 14, 6, 16, 4, 4, 15)})
    run(engine, [request], Sampling(max_tokens=8))
    for version, name in enumerate(sorted(policy.trainable()), start=1):
        (old,) = engine.generate([request], Sampling(max_tokens=8))
        with torch.no_grad():
            policy.trainable()[name].mul_(1.3)
        assert np.abs(old.logp_behaviour_T - step_logp(policy, old)).max() > 1e-3, name
        engine.load(Weights.of(policy.weights(), version))
        (new,) = engine.generate([request], Sampling(max_tokens=8))
        assert new.version == version
        assert np.abs(new.logp_behaviour_T - step_logp(policy, new)).max() < SAME_NATS, name
    assert engine.compared == 7, "of this model on a processor: embedding, head and five norms"


def test_prefixes_of_earlier_weights_are_dropped(engine, policy, server):
    (request,) = requests_for(1, {"long": LONG})
    run(engine, [request], Sampling(max_tokens=2))
    assert cached(server.client, LONG) == 128, "the server does keep prefixes"
    engine.load(changed(policy, 1))
    run(engine, requests_for(1, {"short": (5,)}), Sampling(max_tokens=1))
    assert cached(server.client, LONG) == 0
    (t,) = engine.generate([request], Sampling(max_tokens=4))
    assert np.abs(t.logp_behaviour_T - step_logp(policy, t)).max() < SAME_NATS


def test_prompts_that_are_kept_give_the_same_log_probabilities(engine, policy):
    found = run(engine, requests_for(8, {"long": LONG}), Sampling(max_tokens=8))
    for t in found.values():
        assert np.abs(t.logp_behaviour_T - step_logp(policy, t)).max() < SAME_NATS


def test_tokens_of_other_weights_are_refused(engine, server):
    run(engine, requests_for(1), Sampling(max_tokens=2))
    server.client.post("/update_weight_version", {"new_version": "8 fedcba9876543210"})
    with pytest.raises(FaultError, match="drawn by weights '8 fedcba9876543210', not by '0 "):
        list(engine.generate(requests_for(1), Sampling(max_tokens=2)))


def test_weights_that_are_not_what_was_sent_are_refused(engine, policy, server):
    """Of another seed, with the same shapes: what a server that took the wrong file would hold."""
    run(engine, requests_for(1), Sampling(max_tokens=2))
    post = server.client.post

    def lazy(path, body, **options):
        return {} if path == "/collective_rpc" else post(path, body, **options)

    server.client.post = lazy
    try:
        engine.load(changed(policy, 1))
        with pytest.raises(FaultError, match="is not what was sent"):
            list(engine.generate(requests_for(1), Sampling(max_tokens=2)))
    finally:
        server.client.post = post
    assert server.client.get("/weight_info")["weight_version"] == "steelyard: weights are changing"


def test_the_server_stops_to_work_on_what_nobody_waits_for(engine, server):
    running = engine.generate(requests_for(60), Sampling(max_tokens=240))
    next(running)
    running.close()
    until = time.monotonic() + 20
    while server.client.get("/load")["server_load"] > 0:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_it_listens_on_loopback_and_in_its_own_directory(server):
    group = _group(server)
    listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout.splitlines()
    ours = [line for line in listening if any(f"pid={pid}," in line for pid in group)]
    assert all(line.split()[3].startswith(("127.0.0.1:", "[::1]:")) for line in ours), ours
    place = Path(server.client.url.removeprefix("unix:")).parent
    assert place.stat().st_mode & 0o077 == 0
    sockets = subprocess.run(["ss", "-lxnpH"], capture_output=True, text=True, check=True).stdout.splitlines()
    files = [line.split()[4] for line in sockets if any(f"pid={pid}," in line for pid in group)]
    assert files
    assert all(file.startswith(str(place)) for file in files), files


def test_a_kill_in_the_middle_of_a_batch(start, policy, model_dir):
    """The engine says so, nothing is left of the server, and another one draws the same."""
    server = start(model_dir)
    requests = requests_for(60)
    sampling = Sampling(max_tokens=60)
    group = _group(server)
    found = killed(server, VllmEngine(policy, 0, server.client, context=256), requests, sampling)
    assert {t.version for t in found} == {0}
    until = time.monotonic() + 20
    while server.why_gone() is None or any(Path(f"/proc/{pid}").exists() for pid in group):
        assert time.monotonic() < until, "processes of the server are left"
        time.sleep(0.1)
    again = start(model_dir)
    try:
        drawn = run(VllmEngine(policy, 0, again.client, context=256), requests, sampling)
    finally:
        again.close()
    for t in found:
        assert drawn[t.prompt_id, t.sample].tokens_T.tolist() == t.tokens_T.tolist()


def test_a_prompt_that_is_too_long_for_the_server_is_named(engine):
    with pytest.raises(SteelyardError, match="prompt a: 255 tokens and 2 to generate exceed"):
        next(engine.generate([Request("a", (5,) * 255, 0)], Sampling(max_tokens=2)))


def killed(server, engine, requests, sampling):
    """What an engine yields of a batch before its server, which is killed in the middle of it, is gone."""
    found = []
    timer = threading.Timer(0.05, os.kill, (_leader(server), signal.SIGKILL))
    with pytest.raises(ServerLostError, match="cannot be reached, or went away"):
        for number, t in enumerate(engine.generate(requests, sampling)):
            found.append(t)
            if number == 0:
                timer.start()
    assert 0 < len(found) < len(requests)
    return found


def _leader(server) -> int:
    """The process that answers: the keeper's child."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return int(children[0])


def _group(server) -> list[int]:
    """All processes of a server."""
    leader = _leader(server)
    found = subprocess.run(["ps", "-eo", "pid=,pgid="], capture_output=True, text=True, check=True).stdout.split()
    return [int(pid) for pid, group in zip(found[::2], found[1::2], strict=True) if int(group) == leader]
