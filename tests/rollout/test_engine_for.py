import pytest

from rollout.drawn import assert_same, requests_for, run
from steelyard.core import Sampling, SteelyardError
from steelyard.policy import Policy, loading
from steelyard.rollout import NativeEngine, TransformersEngine, engine_for


@pytest.mark.parametrize(("family", "kind"), [
    ("llama", NativeEngine), ("qwen3", NativeEngine), ("gpt2", TransformersEngine), ("gpt-neox", TransformersEngine),
])  # fmt: skip
def test_our_own_engine_serves_its_family_and_transformers_any_other(tiny_model_dir, family, kind):
    engine = engine_for(Policy.load(str(tiny_model_dir(family))), 5)
    assert type(engine) is kind
    assert engine.seed == 5


def test_it_does_not_matter_who_read_the_model(tiny_model_dir):
    policy = Policy(*loading.load(str(tiny_model_dir("llama")), "float32"))
    assert isinstance(engine_for(policy, 0), NativeEngine)


def test_weights_change_in_flight_only_in_our_own(tiny_model_dir, llama):
    engine = engine_for(llama, 0, in_flight=True)
    assert isinstance(engine, NativeEngine)
    assert engine.in_flight
    with pytest.raises(SteelyardError, match="--in-flight: is set, but only models of our own families"):
        engine_for(Policy.load(str(tiny_model_dir("gpt2"))), 0, in_flight=True)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_a_model_read_natively_generates_the_same_on_its_own_forward_pass(tiny_model_dir, family):
    policy = Policy.load(str(tiny_model_dir(family)))
    sampling = Sampling(max_tokens=12)
    found, expected = (run(kind(policy, 0), requests_for(), sampling) for kind in (TransformersEngine, NativeEngine))
    for key, trajectory in found.items():
        assert_same(trajectory, expected[key])


def test_there_is_at_least_one_row(llama):
    with pytest.raises(SteelyardError, match="max_rows is 0"):
        NativeEngine(llama, 0, max_rows=0)
