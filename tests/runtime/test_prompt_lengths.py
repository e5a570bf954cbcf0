"""Overlong prompts: refused by their row, or left out by a setting and counted, alike in every process."""

import json
from dataclasses import replace

import pytest

from steelyard.core import Prompt, SteelyardError
from steelyard.objective import VarGradTB
from steelyard.policy import Policy
from steelyard.runtime import HeldOut, Run
from steelyard.runtime.factories import check_prompts, fitting
from steelyard.runtime.prompt_lengths import described, lengths_of, tokens_of
from steelyard.task import Rows
from steelyard.training import train
from steelyard.training.plan import UNKNOWN, plan
from steelyard.training.plan_text import plan_lines

TEXTS = [f"{i}+{i}=" for i in range(40)]
TEXTS[5] = TEXTS[25] = "1+" * 30 + "1="
LONG = "prompts of more than 60 tokens left out"


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": t, "answer": "2", "n": i}) + "\n" for i, t in enumerate(TEXTS)))
    return Run(
        Rows(str(path), held_out_share=0.3), VarGradTB(), "steelyard/arithmetic", runtime="inline", max_steps=2,
        num_prompts=4, num_generations=2, search_prompts=4, max_completion_length=4, learning_rate=1e-4,
        evaluation=HeldOut(every=2, prompts=2, sampled_prompts=1, samples=2), output_dir=str(tmp_path / "run"),
    )  # fmt: skip


def test_an_overlong_prompt_is_refused_by_its_row(run):
    with pytest.raises(SteelyardError, match=r"line 6: 62 tokens and 4 to generate exceed the model's context of 64; "):
        plan(run, "rows")
    with pytest.raises(SteelyardError, match=r"--max-prompt-length, which is 5; raise it, or leave all \d+ "):
        plan(replace(run, max_prompt_length=5), "rows")


def test_they_are_left_out_by_a_setting_and_counted(run):
    left = replace(run, filter_overlong_prompts=True)
    planned = plan(left, "rows")
    found = planned["prompts"]
    assert found["notes"] == {"rows that ask a question again with other columns": 1, LONG: 2}
    assert found["train"] + found["held_out"] == 38
    assert found["longest_tokens"] == 6
    assert f"  2 {LONG}" in plan_lines(planned)
    shorter = plan(replace(left, max_prompt_length=4), "rows")["prompts"]
    assert (shorter["longest_tokens"], shorter["train"] + shorter["held_out"]) == (4, 9)
    with pytest.raises(SteelyardError, match="no prompt of train has 3 tokens or fewer"):
        plan(replace(left, max_prompt_length=3), "rows")


@pytest.mark.parametrize("runtime", ["inline", "local"])
def test_a_run_trains_on_the_others_and_says_so(run, runtime):
    told = []
    left = replace(run, filter_overlong_prompts=True, runtime=runtime)
    result = train(left, watch=lambda file, row: told.append((file, row)))
    data = json.loads((result.run_dir / "data.json").read_text())
    assert data == described(fitting(left).task)
    assert ("data", data) in told
    assert LONG in (result.run_dir / "report.html").read_text()
    assert len(run.task.prompts("train")) + len(run.task.prompts("held-out")) == 40, "the run's own task is as it was"


def test_lengths_are_those_of_the_tokens(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    prompts = [Prompt(text, text) for text in ("1+2", "", "<bos>1", "12345", "1<eos>")]
    assert lengths_of(policy, prompts) == [len(tokens_of(policy, prompt)) for prompt in prompts]


def test_a_chat_that_the_template_refuses_is_named_by_its_row(run, tmp_path, tiny_model_dir):
    """Some templates have no system role."""
    rows = [{"prompt": [{"role": "user", "content": "1+1="}], "answer": "2", "n": i} for i in range(40)]
    rows[7]["prompt"] = [{"role": "system", "content": "1"}, *rows[7]["prompt"]]
    path = tmp_path / "chat.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    policy = Policy.load(str(tiny_model_dir("qwen3")))
    refuses = "{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    policy.tokenizer.chat_template = policy.tokenizer.chat_template.replace("%}", "%}" + refuses, 1)
    task = Rows(str(path), needs_answer=False, held_out=str(path.with_name("rows.jsonl")))
    with pytest.raises(SteelyardError, match=r"chat.jsonl, line 8: the chat template refuses .*System role not supp"):
        check_prompts(replace(run, task=task, max_completion_length=1), policy)


def test_characters_that_the_tokenizer_does_not_know_are_counted(run, tmp_path):
    """The model does not see them: a prompt is shortened, and that is said."""
    path = tmp_path / "words.jsonl"
    rows = [{"prompt": f"{'Sum: ' if i < 3 else ''}{i}+{i}=", "answer": "2"} for i in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = plan(replace(run, task=Rows(str(path))), "rows")["prompts"]["notes"]
    assert found == {UNKNOWN: 3}


def test_prompts_of_a_plan_are_tokenised_together(run, monkeypatch):
    """200,000 rows took 55 s, most of it in one call for each row."""

    def alone(*_):
        raise AssertionError("a prompt was tokenised alone")

    monkeypatch.setattr(Policy, "encode", alone)
    planned = plan(replace(run, filter_overlong_prompts=True), "rows")
    assert planned["prompts"]["longest_tokens"] == 6
