import sys
from dataclasses import replace

import pytest

from steelyard.core import SteelyardError
from steelyard.experiments.bench.peers import trl_grpo
from steelyard.experiments.bench.peers.trl_grpo import TrlGrpo
from steelyard.recipes.arithmetic import RECIPE
from steelyard.task import Arithmetic


def test_the_peer_has_the_tasks_own_verifier():
    """A right sum that came to its end scores 1; one that was cut off has no answer, as for our own completions."""
    task = Arithmetic(problems=4)
    prompts = task.prompts("train")
    answers = [str(p.columns["answer"]) for p in prompts]
    reward = trl_grpo._reward(task, prompts, ends=[1], stops=())
    texts = [answers[2], answers[0], f">1,2={answers[1]}", "5000"]
    ids = [[5, 1], [5, 5], [5, 1], [5, 1]]
    assert reward(completions=texts, completion_ids=ids, place=[2, 0, 1, 3], prompts=None) == [1.0, 0.0, 1.0, 0.0]


def test_the_peer_asks_trl_for_the_recipes_settings():
    asked = trl_grpo._arguments(TrlGrpo(directory="d", num_prompts=16, learning_rate=2e-4), RECIPE)
    assert asked["per_device_train_batch_size"] == 16 * RECIPE.num_generations
    assert asked["num_generations"] == RECIPE.num_generations
    assert asked["max_completion_length"] == RECIPE.max_completion_length
    assert (asked["beta"], asked["temperature"], asked["use_cpu"]) == (0.0, 1.0, True)


def test_a_missing_trl_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "trl", None)
    with pytest.raises(SteelyardError, match=r"trl: is not installed .*steelyard\[bench\]"):
        trl_grpo.train(TrlGrpo())


def test_the_learner_may_take_a_batch_in_parts():
    asked = trl_grpo._arguments(TrlGrpo(num_prompts=4, num_generations=8, micro_batch=8), RECIPE)
    assert (asked["per_device_train_batch_size"], asked["gradient_accumulation_steps"]) == (8, 4)
    assert asked["steps_per_generation"] == 4


def test_the_verifier_reads_what_stands_before_the_first_stop_string():
    assert trl_grpo._before(" 12\n\nQuestion: 4", ("Question", "\n")) == " 12"
    assert trl_grpo._before(" 12", ("\n",)) == " 12"
    assert trl_grpo._before(" 12\n", ()) == " 12\n"


def test_every_token_with_a_stop_string_ends_a_completion():
    run = replace(RECIPE, stop=("=",))
    model, tokenizer = trl_grpo._model(run)
    ends = set(trl_grpo._ends(model))
    assert tokenizer.convert_tokens_to_ids("=") in ends
    assert tokenizer.eos_token_id in ends
    assert tokenizer.convert_tokens_to_ids("1") not in ends


def test_a_stop_string_that_no_token_contains_is_refused():
    _, tokenizer = trl_grpo._model(RECIPE)
    with pytest.raises(SteelyardError, match="no token contains 'Question:'"):
        trl_grpo._stopping(tokenizer, ("Question:",))


def test_adapters_are_those_of_the_run():
    asked = trl_grpo._adapters(replace(RECIPE, lora_rank=4, lora_targets="q_proj,v_proj"))
    assert (asked.r, asked.lora_alpha, asked.target_modules) == (4, 16.0, {"q_proj", "v_proj"})
    assert trl_grpo._adapters(RECIPE) is None
