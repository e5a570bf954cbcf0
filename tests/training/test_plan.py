"""A plan says what a run would do, refuses what a run would refuse, and leaves nothing behind."""

import json
from dataclasses import replace

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.policy import LoRA, Policy
from steelyard.policy.logp import logits_bytes
from steelyard.policy.meta_model import local_directory, meta_policy
from steelyard.recipes import load
from steelyard.runtime import to_json
from steelyard.task import JudgedRows
from steelyard.training.memory_estimate import estimate_memory
from steelyard.training.plan import plan
from steelyard.training.plan_text import plan_lines

BASE = "steelyard/arithmetic"
PARAMETERS = 279_168


def test_the_plan_of_arithmetic_in_numbers():
    found = plan(load("arithmetic"), "arithmetic")
    assert json.loads(to_json(found)) == found
    assert found["settings"]["--beta"] == 0.1
    assert found["settings"]["objective"] == "VarGradTB"
    assert found["settings"]["--num-prompts"] == 32  # at its default, and shown
    assert "--search-prompts" not in found["settings"]
    assert found["prompts"]["train"] == 8192
    assert found["prompts"]["longest_tokens"] == 12  # 20-20-20-20= has 12 characters
    assert found["prompts"]["epochs"] == 100 * 32 / 8192
    assert found["model"]["parameters"] == found["model"]["trained"] == PARAMETERS
    assert found["samples"]["episodes"] == 100 * 32 * 8
    assert found["samples"]["before_first_step"] == 256
    assert [row["step"] for row in found["schedule"]] == [0, 24, 49, 74, 99]
    assert {row["learning_rate"] for row in found["schedule"]} == {1e-4}


def test_schedules_are_read_where_a_step_uses_them():
    found = plan(replace(load("gsm8k"), model=BASE, max_completion_length=8), "gsm8k")
    first, _, half, _, last = found["schedule"]
    assert first == {"step": 0, "learning_rate": pytest.approx(1e-5 / 51), "beta": 0.012}
    assert half["beta"] == pytest.approx(0.012 - 0.008 * 499 / 500)
    assert last["beta"] == 0.004
    assert (found["samples"]["searched_per_prompt"], found["samples"]["searcher_batch"]) == (24, 72)
    assert "a searcher batch is 72 trajectories, 24 per prompt" in "\n".join(plan_lines(found))
    assert "published every 2 steps" in found["staleness"][0]
    assert found["prompts"] == {"fetches": "openai/gsm8k"}
    assert found["memory"]["total"] > 0


def test_draws_that_spare_old_data_are_said_to():
    run = load("arithmetic")
    plain = "\n".join(plan(run, "arithmetic")["staleness"])
    assert "50% of a step's prompts are drawn by recency, the rest from all that is stored" in plain
    assert "as it ages" not in plain and "effective sample size" not in plain
    spared = replace(run, replay=replace(run.replay, recent_slots="count", age_decay=0.02, min_ess=0.3))
    said = "\n".join(plan(spared, "arithmetic")["staleness"])
    assert "drawn by recency, a count in each step, the rest" in said
    assert "drawn less often as it ages: by e in 50 versions" in said
    assert "too old for an effective sample size of 30%, as steps will measure it, is left out" in said


def test_what_is_not_here_is_named_and_not_fetched():
    found = plan(load("math"), "math")
    assert found["model"] == {"model": "Qwen/Qwen2.5-7B", "fetches": "Qwen/Qwen2.5-7B"}
    assert found["memory"] is None
    text = "\n".join(plan_lines(found))
    for said in (
        "would download it from the hub",
        "data set DigitalLearningGmbH/MATH-lighteval",
        "204,800 trajectories",
    ):
        assert said in text


def test_memory_of_the_learner_by_hand():
    run = replace(load("arithmetic"), num_searchers=3)
    policy = Policy.load(BASE)
    parts = estimate_memory(run, policy, {})["parts"]
    whole = PARAMETERS * 4
    assert parts["learner_weights"] == parts["learner_gradient"] == parts["learner_reference"] == whole
    assert parts["learner_adam"] == 2 * whole
    assert parts["learner_logits"] == 4 * 4 * run.micro_tokens * policy.vocab_size
    wide = logits_bytes(run.micro_tokens, 262_144, torch.device("cpu"))
    assert wide == 2 * 4 * 2**25  # two blocks, not the 17 GB of logits of 16,384 tokens
    assert parts["searchers_x_3"] == 3 * 3 * whole  # model, the engine's own layout, reference
    assert parts["shared_weights"] == 4 * whole
    inline = estimate_memory(replace(run, runtime="inline"), policy, {})["parts"]
    assert (inline["evaluator"], inline["shared_weights"], inline["searchers_x_1"]) == (0, 0, 3 * whole)


def test_memory_of_bfloat16_counts_its_float32_masters():
    """Two bytes a weight in every copy; the learner adds a master, its gradient and Adam's means at four each."""
    run = replace(load("arithmetic"), dtype="bfloat16")
    parts = estimate_memory(run, Policy.load(BASE, dtype="bfloat16"), {})["parts"]
    assert parts["learner_weights"] == parts["learner_reference"] == 2 * PARAMETERS
    assert parts["learner_gradient"] == (2 + 4) * PARAMETERS
    assert parts["learner_float32_master"] == 4 * PARAMETERS
    assert parts["learner_adam"] == 8 * PARAMETERS
    assert "learner float32 master" in "\n".join(plan_lines(plan(run, "arithmetic")))
    full = estimate_memory(load("arithmetic"), Policy.load(BASE), {})["parts"]
    assert full["learner_float32_master"] == 0


def test_memory_of_reward_models_and_victims_by_hand():
    """Every searcher reads them, and the evaluator; a gold model the evaluator alone."""
    proxy, policy = 4 * 85_056, Policy.load("steelyard/shortening")
    run = replace(load("preference"), num_searchers=3, runtime="local")
    parts = plan(run, "preference")["memory"]["parts"]
    assert parts["reward_model_x_4"] == 4 * proxy
    assert estimate_memory(run, policy, {})["not_counted"] == ["reward model"]
    judged = JudgedRows(reward_model="here/rm", gold_model="here/gold")
    parts = estimate_memory(replace(run, task=judged), policy, {"reward model": 10, "gold model": 100})["parts"]
    assert (parts["reward_model_x_4"], parts["gold_model_x_1"]) == (40, 100)
    for alone in (replace(run, runtime="inline"), replace(run, reward="module:function")):
        assert estimate_memory(alone, policy, {"reward model": 10})["parts"]["reward_model_x_1"] == 10


def test_what_is_not_counted_is_said():
    found = plan(replace(load("tldr"), model=BASE, max_completion_length=8), "tldr")
    assert found["memory"]["not_counted"] == ["reward model"]
    assert "caches, and without the reward model, which is not on this machine" in "\n".join(plan_lines(found))


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2", "gpt-neox"])
@pytest.mark.parametrize("lora", [None, LoRA(rank=2)])
def test_a_model_without_weights_counts_as_the_model_does(tiny_model_dir, family, lora):
    place = str(tiny_model_dir(family))
    bare, real = meta_policy(place, lora=lora), Policy.load(place, lora=lora)
    for trainable in (True, False):
        assert bare.num_parameters(trainable=trainable) == real.num_parameters(trainable=trainable)
    assert (bare.num_bytes, bare.context_length) == (real.num_bytes, real.context_length)
    assert bare.encode("1+2=") == real.encode("1+2=")


def test_where_a_model_is(tiny_model_dir):
    assert local_directory(str(tiny_model_dir("llama"))) == str(tiny_model_dir("llama"))
    assert local_directory("nobody/nothing") is None
    with pytest.raises(SteelyardError, match="neither a directory nor a hub id"):
        local_directory("nobody/no thing")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"model": ""}, "--model: is missing"),
        ({"model": "./nowhere"}, "nowhere"),
        ({"max_completion_length": 60}, "exceed the model's context of 64"),
        ({"reward": "nowhere:nothing"}, "nowhere"),
    ],
)
def test_it_refuses_what_the_run_would_refuse(settings, says):
    with pytest.raises(SteelyardError, match=says):
        plan(replace(load("arithmetic"), **settings), "arithmetic")


def test_an_output_directory_with_something_in_it(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SteelyardError, match="not empty"):
        plan(replace(load("arithmetic"), output_dir=str(tmp_path)), "arithmetic")


def test_a_damaged_config_is_one_line(tiny_model_dir, tmp_path):
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(SteelyardError, match="no model can be loaded from"):
        plan(replace(load("arithmetic"), model=str(tmp_path)), "arithmetic")
