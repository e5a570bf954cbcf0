"""ECO: its gate and search by hand, the run and who uses it, and what it refuses."""

import json
import shutil

import pytest
import torch

import steelyard
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.model.intervention import Pass
from steelyard.policy import Policy
from steelyard.recipes import find
from steelyard.task.answered import AnsweredFile
from steelyard.unlearn import ECO
from steelyard.unlearn.eco import descended

ROWS = {
    "forget": [{"prompt": f"{n}+1=", "answer": str(n + 1)} for n in range(4)],
    "retain": [{"prompt": f"{n}-1=", "answer": str(n - 1)} for n in range(1, 5)],
}
FEW = ["--max-completion-length", "4", "--steps", "2", "--audits.relearning-steps", "1"]


def rows(name):
    return [AnsweredFile().answered(row, f"line {i}") for i, row in enumerate(ROWS[name])]


@pytest.fixture
def files(tmp_path):
    for name, written in ROWS.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, written)))
    return ["--forget", str(tmp_path / "forget.jsonl"), "--retain", str(tmp_path / "retain.jsonl")]


def test_a_step_of_the_search_by_hand():
    # f = |sigma - 3| at 2 has sides 3 and 1: g = (0 - 2) / 2 = -1, so rate .5 leads to 2.5; and never below the half.
    seen = []
    assert descended(lambda x: abs(x - 3), 2.0, 0.5, lambda *pair: seen.append(pair)) == 2.5
    assert seen == [(3.0, 0.0), (1.0, 2.0)]
    assert descended(lambda x: x, 2.0, 100.0, lambda *pair: None) == 1.0


def test_prompts_to_forget_are_corrupted_and_others_left_bit_for_bit(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    asked = {name: torch.tensor([policy.encode(row.prompt.text) for row in rows(name)]) for name in ROWS}
    plain = {name: policy.next_logp(tokens) for name, tokens in asked.items()}
    fit = ECO(steps=0, start=20.0).begin(policy, rows("forget"), rows("retain"), seed=0)
    assert (fit.steps, fit.num_steps) == (0, 1)
    assert fit.step() == {}
    assert (policy.next_logp(asked["forget"]) - plain["forget"]).abs().max() > 0.1
    assert torch.equal(policy.next_logp(asked["retain"]), plain["retain"])
    tokens = asked["forget"][:1]
    completion = Pass(tokens, torch.ones_like(tokens).bool(), torch.zeros_like(tokens).bool())
    hidden = torch.randn(1, tokens.shape[1], 16)
    assert torch.equal(policy.intervention.change("embeddings", hidden, completion), hidden)


def test_the_search_takes_the_best_strength_that_it_met(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    fit = ECO(steps=3, enough=0.0, expected=0.3).begin(policy, rows("forget"), rows("retain"), seed=0)
    distances = [fit.step()["eco/distance"] for _ in range(fit.num_steps)]
    assert distances == sorted(distances, reverse=True)
    taken = float(policy.intervention.tensors["corruption/strength"])
    assert fit._at(taken) == pytest.approx(distances[-1], abs=1e-6)


def test_the_run_and_all_who_use_it(files, tiny_model_dir, tmp_path, capsys):
    run, model = tmp_path / "run", str(tiny_model_dir("llama"))
    assert main(["train", "eco", "--model", model, *files, *FEW, "--output-dir", str(run)]) == 0
    assert {path.name for path in (run / "model").iterdir()} == {"intervention.json", "intervention.safetensors"}
    first, last = (json.loads(line) for line in (run / "eval.jsonl").read_text().splitlines())
    assert (first["step"], last["step"]) == (0, 3)
    assert last["eval/forget_probability"] != first["eval/forget_probability"]
    assert last["eval/retain_probability"] == pytest.approx(first["eval/retain_probability"], rel=1e-5)
    assert "eval/rest_after_gain" in last
    assert main(["eval", str(run)]) == 0
    assert main(["sample", str(run), "--prompts", "1", "--samples", "1"]) == 0
    capsys.readouterr()
    audit = ["audit", "tofu", "--model", model, "--data", files[1], "--max-completion-length", "4", "--json"]
    found = {}
    for name, more in {"plain": [], "eco": ["--intervention", str(run / "model")]}.items():
        assert main([*audit, *more]) == 0
        found[name] = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]["all"]["probability"]
    assert found["plain"] == pytest.approx(first["eval/forget_probability"], rel=1e-4)
    assert found["eco"] == pytest.approx(last["eval/forget_probability"], rel=1e-4)
    kept = (run / "model" / "intervention.safetensors").read_bytes()
    (run / "result.json").unlink()
    for name in ("model", "checkpoint-3"):
        shutil.rmtree(run / name)
    steelyard.resume(run, report=False)
    assert (run / "model" / "intervention.safetensors").read_bytes() == kept
    assert json.loads((run / "eval.jsonl").read_text().splitlines()[-1]) == last


@pytest.mark.parametrize(("changed", "said"), [
    ({"retain": ""}, "--retain: is missing; name a file of prompts that are to be kept"),
    ({"model": ""}, "--model: is missing"),
    ({"forgetting": ECO(dims=17), "max_completion_length": 4}, "--dims: is 17; embeddings have 16 numbers"),
    ({"max_completion_length": 62}, "--max-completion-length: is 62"),
])  # fmt: skip
def test_what_is_wrong_is_said(files, tiny_model_dir, changed, said):
    recipe = find("eco")
    named = {"model": str(tiny_model_dir("llama")), "forget": files[1], "retain": files[3], **changed}
    with pytest.raises(SteelyardError) as caught:
        type(recipe)(**{**vars(recipe), **named}).open()
    assert said in str(caught.value)


def test_answers_that_are_all_the_same_tell_nothing(tiny_model_dir):
    same = [AnsweredFile().answered({"prompt": f"{n}", "answer": "a"}, "here") for n in range(3)]
    with pytest.raises(SteelyardError, match="no row has another answer to compare with; give wrong answers"):
        ECO().begin(Policy.load(str(tiny_model_dir("llama"))), same, rows("retain"), seed=0)
