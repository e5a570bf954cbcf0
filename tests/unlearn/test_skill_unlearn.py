"""Key Space Detection: its box by hand, what it leaves alone, the run and who uses it, and what it refuses."""

import json

import pytest
import torch

import steelyard
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.learner import demonstration
from steelyard.model.intervention import Pass
from steelyard.policy import Policy
from steelyard.policy.likelihood import total_logp
from steelyard.recipes import find
from steelyard.task.answered import AnsweredFile
from steelyard.unlearn import KeySpaceDetection
from steelyard.unlearn.skill_unlearn import Abstention, half_box

ROWS = {
    "forget": [{"prompt": f"{n}+1=", "answer": str(n + 1)} for n in range(4)],
    "retain": [{"prompt": f"{n}-1=", "answer": str(n - 1)} for n in range(1, 5)],
}
FEW = ["--max-completion-length", "4", "--audits.relearning-steps", "1"]


def rows(name):
    return [AnsweredFile().answered(row, f"line {i}") for i, row in enumerate(ROWS[name])]


@pytest.fixture
def files(tmp_path):
    for name, written in ROWS.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, written)))
    return ["--forget", str(tmp_path / "forget.jsonl"), "--retain", str(tmp_path / "retain.jsonl")]


@pytest.fixture(params=["llama", "gpt2"])
def policy(request, tiny_model_dir):
    return Policy.load(str(tiny_model_dir(request.param)))


def test_the_box_by_hand():
    # The means are 1 and 2, the deviations 2^.5 and 8^.5, and k is 2^-.5: the box is 1 +- 1 and 2 +- 2.
    key = torch.tensor([[0.0, 0.0], [2.0, 4.0]])
    assert half_box(key).tolist() == pytest.approx([1.0, 2.0], rel=1e-4)
    box = {"box/mean": key.mean(0), "box/half": half_box(key), "key": torch.tensor([9.0, 9.0])}
    found = Abstention(KeySpaceDetection(), box)
    asked = torch.tensor([[[0.0, 0.0], [1.5, 3.0], [1.5, 3.0]], [[1.0, 2.0], [1.0, 4.1], [5.0, 5.0]]])
    tokens = torch.zeros(2, 3, dtype=torch.int64)
    prompt = torch.tensor([[True, True, False], [True, True, False]])
    changed = found.change("layers.1.mlp.keys", asked, Pass(tokens, torch.ones_like(prompt), prompt))
    # In the box at the last token of the prompt: the first row alone. 4.1 is outside in one number.
    assert changed[0].tolist() == [[0.0, 0.0], [9.0, 9.0], [1.5, 3.0]]
    assert torch.equal(changed[1], asked[1])


def test_a_neuron_that_never_moves_leaves_no_room():
    box = half_box(torch.tensor([[1.0, 0.0], [1.0, 2.0]]))
    assert box.tolist() == pytest.approx([0.0, 1.0], rel=1e-4)


def test_prompts_in_the_box_end_at_once_and_others_are_left_bit_for_bit(policy):
    asked = [demonstration(policy, row.prompt, row.answer) for row in rows("retain")]
    plain = total_logp(policy, asked)
    KeySpaceDetection(scale=1.0).begin(policy, rows("forget"), rows("retain"), seed=0).step()
    ended = [demonstration(policy, row.prompt, "") for row in rows("forget")]
    assert (total_logp(policy, ended) > torch.tensor(0.5).log().item()).all()
    assert (total_logp(policy, asked) == plain).all()


def test_a_box_of_any_size_is_one_refusal_of_everything(policy):
    KeySpaceDetection(scale=1e6).begin(policy, rows("forget"), rows("retain"), seed=0).step()
    ended = [demonstration(policy, row.prompt, "") for row in rows("retain")]
    assert (total_logp(policy, ended) > torch.tensor(0.4).log().item()).all()


def test_the_run_and_all_who_use_it(files, tiny_model_dir, tmp_path, capsys):
    run, model = tmp_path / "run", str(tiny_model_dir("llama"))
    assert main(["train", "skill-unlearn", "--model", model, *files, *FEW, "--output-dir", str(run)]) == 0
    assert {path.name for path in (run / "model").iterdir()} == {"intervention.json", "intervention.safetensors"}
    first, last = (json.loads(line) for line in (run / "eval.jsonl").read_text().splitlines())
    assert last["eval/forget_probability"] < first["eval/forget_probability"]
    assert main(["eval", str(run)]) == 0
    capsys.readouterr()
    assert main(["sample", str(run), "--prompts", "2", "--samples", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])
    audit = ["audit", "tofu", "--model", model, "--data", files[1], "--max-completion-length", "4", "--json"]
    assert main([*audit, "--intervention", str(run / "model")]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]["all"]["probability"]
    assert found == pytest.approx(last["eval/forget_probability"], rel=1e-4)
    kept = (run / "model" / "intervention.safetensors").read_bytes()
    (run / "result.json").unlink()
    steelyard.resume(run, report=False)
    assert (run / "model" / "intervention.safetensors").read_bytes() == kept


def test_what_is_wrong_is_said(files, tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    with pytest.raises(SteelyardError, match="skill-unlearn: one prompt has no deviation; give two prompts or more"):
        KeySpaceDetection().begin(policy, rows("forget")[:1], rows("retain"), seed=0)
    fit = KeySpaceDetection(iterations=1, ends=1.0).begin(policy, rows("forget"), rows("retain"), seed=0)
    with pytest.raises(SteelyardError, match="no key was found with which the model ends all answers: one still with"):
        fit.step()
    assert policy.intervention is None
    recipe = find("skill-unlearn")
    named = {"model": str(tiny_model_dir("llama")), "forget": files[1]}
    with pytest.raises(SteelyardError, match="--retain: is missing"):
        type(recipe)(**{**vars(recipe), **named}).open()
