"""Rows whose tensors stay in place draw what rows on the processor draw, on a GPU and (as here) without one."""

import numpy as np
import pytest
import torch

from rollout.drawn import assert_same, by_address, changed, requests_for, run, step_logp
from steelyard.core import Sampling, SteelyardError, Weights
from steelyard.model import attention_by_name
from steelyard.policy import LoRA, Policy
from steelyard.rollout import NativeEngine
from steelyard.rollout.fixed_rows import FixedRows, rounded_columns, rounded_rows
from steelyard.rollout.graphs import Graphs

SAMPLINGS = [Sampling(max_tokens=12), Sampling(0.7, 9), Sampling(0.0, 8), Sampling(1.0, 10, top_p=0.8, top_k=5)]


def _both(policy, requests, sampling, **settings):
    found, expected = (
        run(NativeEngine(policy, 3, fixed=fixed, **settings), requests, sampling) for fixed in (True, False)
    )
    for key, t in found.items():
        assert_same(t, expected[key])
    return found


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_they_draw_the_same(tiny_model_dir, family, sampling):
    _both(Policy.load(str(tiny_model_dir(family))), requests_for(4), sampling)


def test_rows_that_end_give_their_places_to_others(llama):
    found = _both(llama, requests_for(12), Sampling(max_tokens=16), max_rows=4)
    assert len({len(t.completion_T) for t in found.values()}) > 4


def test_a_layer_with_a_window_sees_the_last_columns_alone(tiny_model_dir):
    mix = attention_by_name("sliding-window", {"window": 5})
    _both(Policy.load(str(tiny_model_dir("llama")), attention=mix), requests_for(3), Sampling(max_tokens=24))


def test_later_calls_use_the_rows_again_and_larger_ones_get_new_rows(llama):
    engine, whole = NativeEngine(llama, 0, fixed=True), NativeEngine(llama, 0)
    rooms = []
    for samples, steps in ((4, 6), (2, 11), (6, 20)):
        requests, sampling = requests_for(samples), Sampling(max_tokens=steps)
        found, expected = run(engine, requests, sampling), run(whole, requests, sampling)
        for key, t in found.items():
            assert_same(t, expected[key])
        rooms.append(engine._rows)
    assert rooms[0] is rooms[1]
    assert rooms[2] is not rooms[1]


def test_adapters_and_bfloat16(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")), lora=LoRA(rank=2), dtype="bfloat16")
    with torch.no_grad():
        for p in policy.trainable().values():
            p.add_(0.1)
    found = run(NativeEngine(policy, 0, fixed=True), requests_for(8), Sampling(max_tokens=16))
    error = np.concatenate([np.abs(t.logp_behaviour_T - step_logp(policy, t))[t.action_T] for t in found.values()])
    assert error.mean() < 0.02


def test_newer_weights_are_written_over_older_ones_between_two_tokens(llama, tiny_model_dir):
    other = Policy.load(str(tiny_model_dir("llama")))
    engine = NativeEngine(llama, 0, max_rows=6, in_flight=True, fixed=True)
    drawing = engine.generate(requests_for(10), Sampling(max_tokens=24))
    found = [next(drawing)]
    places = [t.data_ptr() for t in (engine._network.embedding, engine._network.layers[0].qkv.tensors()[0])]
    newer = changed(other, 5)
    engine.load(newer)
    found = by_address([*found, *drawing])
    assert places == [t.data_ptr() for t in (engine._network.embedding, engine._network.layers[0].qkv.tensors()[0])]
    assert {t.version for t in found.values()} == {0, 5}
    assert any(t.version_T is not None for t in found.values())
    later = [r for r in requests_for(10) if found[r.prompt_id, r.sample].version == 5]
    for key, t in run(NativeEngine(other, 0), later, Sampling(max_tokens=24)).items():
        assert_same(found[key], t)
        assert found[key].digest == newer.digest


def test_logits_that_are_not_finite_are_refused(llama):
    with torch.no_grad():
        llama.head.weight[4] = torch.nan
    with pytest.raises(SteelyardError, match="logits are not finite"):
        list(NativeEngine(llama, 0, fixed=True).generate(requests_for(1), Sampling(max_tokens=4)))


def test_columns_are_added_where_an_episode_outgrows_them(network):
    rows = FixedRows(network, 2, 8, slack=4)
    kept = rows._cache[..., :8, :].fill_(0.5).clone()
    assert rows.make_room(30, 30)
    assert rows.columns == 64
    assert rows.make_room(60, 30)
    assert rows.columns == 128
    assert torch.equal(rows._cache[..., :8, :], kept)
    assert rows._given.shape == (4, 128)
    assert (rows._given == -1).all()


def test_few_different_graphs_are_asked_for():
    assert [rounded_rows(n) for n in (1, 2, 4, 5, 17, 64, 65, 256)] == [1, 4, 4, 16, 64, 64, 128, 256]
    assert [rounded_columns(n) for n in (1, 64, 65, 512, 513, 1000)] == [64, 64, 128, 512, 768, 1024]
    assert len({rounded_columns(n) for n in range(1, 4097)}) == 8 + 14


def test_without_a_gpu_work_is_done_each_time_as_it_is():
    done, graphs = [], Graphs(torch.device("cpu"))
    for _ in range(3):
        graphs.run("key", lambda: done.append(1))
    assert done == [1, 1, 1]


def test_weights_between_two_calls_are_whole(llama):
    engine = NativeEngine(llama, 0, fixed=True)
    first = run(engine, requests_for(2), Sampling(max_tokens=6))
    own = Weights.of(llama.weights(), 0)
    weights = changed(llama, 4)
    llama.load_weights(own.data)
    engine.load(weights)
    second = run(engine, requests_for(2), Sampling(max_tokens=6))
    assert {t.version for t in first.values()} == {0}
    assert {(t.version, t.digest) for t in second.values()} == {(4, weights.digest)}
