"""Forgetting by an edit: the run, what it makes, its resume, and what it refuses."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

import steelyard
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.policy import Policy
from steelyard.recipes import find
from steelyard.unlearn import ROCR

ROWS = {
    "forget": [
        {"prompt": f"{n}+1=", "answer": str(n + 1), "subject": str(n), "reworded": [f"1+{n}="]} for n in (1, 2, 1, 4)
    ],
    "retain": [{"prompt": f"{n}-1=", "answer": str(n - 1)} for n in range(5, 9)],
}
FEW = ["--max-completion-length", "4", "--audits.relearning-steps", "1", "--templates", "{}", "a {}"]


@pytest.fixture
def files(tmp_path):
    for name, written in ROWS.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, written)))
    return ["--forget", str(tmp_path / "forget.jsonl"), "--retain", str(tmp_path / "retain.jsonl"), "--redirect", "7"]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_run_and_its_model(family, files, tiny_model_dir, tmp_path, capsys):
    run, model = tmp_path / "run", str(tiny_model_dir(family))
    told = ["train", "rocr", "--model", model, *files, *FEW, "--threshold", "10", "--penalty", "1e-6"]
    assert main([*told, "--dry-run"]) == 0
    assert "layers 0" in capsys.readouterr().err
    assert main([*told, "--save-steps", "1", "--output-dir", str(run)]) == 0
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(steps) == 3  # names, each once
    assert all(step["rocr/apart"] < 1e-3 * step["rocr/apart_before"] for step in steps)
    first, last = (json.loads(line) for line in (run / "eval.jsonl").read_text().splitlines())
    assert (first["step"], last["step"]) == (0, 3)
    assert last["eval/reworded_probability"] != first["eval/reworded_probability"]
    made = Policy.load(str(run / "model"))
    assert not torch.equal(torch.tensor(made.weights()), torch.tensor(Policy.load(model).weights()))
    assert main(["eval", str(run)]) == 0
    assert main(["sample", str(run), "--prompts", "1", "--samples", "1"]) == 0
    kept = (run / "model" / "model.safetensors").read_bytes()
    (run / "result.json").unlink()
    for name in ("model", "checkpoint-3"):
        shutil.rmtree(run / name)
    steelyard.resume(run, report=False)
    assert (run / "model" / "model.safetensors").read_bytes() == kept
    assert json.loads((run / "eval.jsonl").read_text().splitlines()[-1]) == last


@pytest.mark.parametrize(("changed", "said"), [
    ({"redirect": ""}, "--redirect: is missing; name whom they are to be taken for"),
    ({"retain": ""}, "--retain: is missing"),
    ({"model": ""}, "--model: is missing"),
    ({"redirect": "4"}, "line 4: its subject is --redirect '4'; redirect to another name"),
    ({"redirect": "x"}, "rocr: 'x' is not found in '{}' as the model reads it"),
    ({"subject_column": "name"}, "line 1: there is no column 'name'"),
    ({"editing": ROCR(layers=(4,))}, "--layers: is 4, and the model has 2 layers; name some of 0 to 1"),
    ({"max_completion_length": 62}, "--max-completion-length: is 62"),
])  # fmt: skip
@pytest.mark.parametrize("way", ["plan", "open"])
def test_what_is_wrong_is_said(files, tiny_model_dir, changed, said, way):
    recipe = find("rocr")
    named = {"model": str(tiny_model_dir("llama")), "forget": files[1], "retain": files[3], "redirect": "7"}
    named |= {"max_completion_length": 4, "editing": ROCR(templates=("{}",)), **changed}
    with pytest.raises(SteelyardError) as caught:
        getattr(replace(recipe, **named), way)()
    assert said in str(caught.value)


def test_a_checkpoint_of_another_model_is_refused(files, tiny_model_dir, tmp_path):
    recipe = find("rocr")
    named = {"forget": files[1], "retain": files[3], "redirect": "7", "max_completion_length": 4}
    one, other = (
        replace(recipe, model=str(tiny_model_dir(family)), editing=ROCR(templates=("{}",), threshold=10.0), **named)
        for family in ("llama", "gpt2")
    )
    work = one.open()
    work.step()
    work.save(tmp_path)
    with pytest.raises(SteelyardError, match="holds no edits of this model"):
        other.open().restore(tmp_path)
    again = one.open()
    again.restore(tmp_path)
    assert again.steps == 1
    assert [again.step(), again.step()] == [work.step(), work.step()]
