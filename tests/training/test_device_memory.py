from dataclasses import replace

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.policy import Policy, device
from steelyard.recipes import load
from steelyard.runtime.run import LearnerPart, Processes, SearchPart
from steelyard.training import device_memory
from steelyard.training.device_memory import PROCESS, describe_devices, engine_bytes, learner_bytes
from steelyard.training.plan_text import plan_lines

BASE = "steelyard/arithmetic"
NUMBER = 279_168


@pytest.fixture
def gpus(monkeypatch):
    monkeypatch.setattr(device, "num_gpus", lambda: 2)
    monkeypatch.setattr(device_memory, "free_bytes", lambda at: 10**9 if at == torch.device("cuda", 0) else 100)


def test_the_learner_by_hand():
    """3 layers, hidden 96, inner 192, 4 heads of 24 with keys of their own: 64 tokens at a time."""
    run = replace(load("arithmetic"), micro_tokens=64, dtype="bfloat16")
    policy = Policy.load(BASE, dtype="bfloat16")
    found = learner_bytes(run, policy)
    layer = 8 * 96 + 2 * 3 * 96 + 3 * 192
    logits = 4 * 4 * 64 * policy.vocab_size
    assert found == {
        "process": PROCESS, "weights": 2 * NUMBER, "gradient": 2 * NUMBER + 4 * NUMBER, "float32_master": 4 * NUMBER,
        "adam": 8 * NUMBER, "other_weights": 4 * NUMBER, "activations": 2 * 64 * 3 * layer, "logits": logits,
    }  # fmt: skip
    again = replace(run, learner=LearnerPart(gradient_checkpointing=True))
    assert learner_bytes(again, policy)["activations"] == 2 * 64 * (3 * 96 + layer)


def test_a_searcher_by_hand():
    run = replace(load("arithmetic"), search_prompts=5, num_generations=8, max_completion_length=30)
    policy = Policy.load(BASE)
    assert engine_bytes(run, policy, 10) == {
        "process": PROCESS, "weights": 8 * NUMBER, "other_weights": 8 * NUMBER,
        "keys_and_values": 2 * 4 * 3 * 96 * 40 * 40, "logits": 16 * 40 * policy.vocab_size,
    }  # fmt: skip


def test_parts_are_counted_where_they_are(gpus):
    run = replace(load("arithmetic"), device="cuda", search=SearchPart(device="cuda:1"), num_searchers=2)
    found = describe_devices(run, Policy.load(BASE), 10)
    assert found["placement"] == {"learner": "cuda:0", "searchers": "cuda:1", "evaluator": "cuda:0"}
    gpu = found["gpus"]["cuda:0"]
    assert [*gpu["parts"]] == ["learner", "evaluator"]
    assert gpu["total"] == sum(sum(sizes.values()) for sizes in gpu["parts"].values())
    one = gpu["parts"]["evaluator"]
    assert found["gpus"]["cuda:1"]["parts"] == {"searchers": {name: 2 * size for name, size in one.items()}}


def test_weights_that_go_through_the_device_take_two_more_of_them_there_for_each(gpus):
    run = replace(load("arithmetic"), device="cuda", num_searchers=2, local=Processes(weights="device"))
    parts = describe_devices(run, Policy.load(BASE), 10)["gpus"]["cuda:0"]["parts"]
    assert (parts["learner"]["published"], parts["searchers"]["published"]) == (2 * 4 * NUMBER, 2 * 2 * 4 * NUMBER)
    assert "published" not in parts["evaluator"]


def test_the_plan_says_which_way_weights_go(gpus):
    from steelyard.training.plan import plan

    run = replace(load("arithmetic"), device="cuda")
    through = replace(run, local=Processes(weights="device"))
    apart = replace(through, search=SearchPart(device="cuda:1"))
    assert "weights: to searchers through the processor's memory" in plan_lines(plan(run, "arithmetic"))
    assert "weights: to searchers through the GPU's memory, which they share with the learner" in plan_lines(
        plan(through, "arithmetic")
    )
    assert plan(replace(run, runtime="inline"), "arithmetic")["weights"] is None
    with pytest.raises(SteelyardError, match="learner computes on cuda:0 and searchers on cuda:1; use host"):
        plan(apart, "arithmetic")


def test_inline_the_searchers_policy_is_evaluated(gpus):
    run = replace(load("arithmetic"), device="cuda", runtime="inline", num_searchers=2)
    found = describe_devices(run, Policy.load(BASE), 10)
    assert [*found["gpus"]["cuda:0"]["parts"]] == ["learner", "searchers"]
    assert found["gpus"]["cuda:0"]["parts"]["searchers"] == engine_bytes(run, Policy.load(BASE), 10)


def test_the_plan_says_so_and_where_it_does_not_fit(gpus):
    from steelyard.training.plan import plan

    run = replace(load("arithmetic"), device="cuda", search=SearchPart(device="cuda:1"))
    text = "\n".join(plan_lines(plan(run, "arithmetic")))
    assert "devices: learner cuda:0, searchers cuda:1, evaluator cuda:0" in text
    assert "memory of cuda:1: about 0.6 GB, 0.0 MB are free: it does not fit" in text
    cpu = "\n".join(plan_lines(plan(load("arithmetic"), "arithmetic")))
    assert "devices: learner cpu, searchers cpu, evaluator cpu" in cpu
    assert "memory of" not in cpu
