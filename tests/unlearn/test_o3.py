"""O3: its parts by hand, requests that follow each other, the runs, and what is refused."""

import json
import shutil

import pytest
import torch

import steelyard
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.learner.intervention_work import finish
from steelyard.model.corruption import Corruption
from steelyard.policy import Policy
from steelyard.task.answered import AnsweredFile
from steelyard.unlearn import O3
from steelyard.unlearn.o3 import begun, overlap, relabelled
from steelyard.unlearn.o3_detector import Detector

SMALL = O3(
    steps=6, batch=4, adapter_rate=3e-2, detector=Detector(detector_layers=1, detector_width=8, detector_steps=10)
)
WORDS = ["--steps", "3", "--adapter-rate", "0.03", "--detector-layers", "1", "--detector-width", "8",
         "--detector-steps", "5", "--max-completion-length", "4", "--audits.relearning-steps", "1"]  # fmt: skip


def rows(sign):
    made = [{"prompt": f"{n}{sign}1=", "answer": str(n + (1 if sign == "+" else -1))} for n in range(1, 7)]
    return [AnsweredFile().answered(row, f"line {i}") for i, row in enumerate(made)]


def run(fit):
    finish(fit)
    return fit


@pytest.fixture
def policy(tiny_model_dir):
    return Policy.load(str(tiny_model_dir("llama")))


def test_overlap_by_hand():
    a = torch.tensor([[1.0, 2.0]])
    assert float(overlap(a, [torch.tensor([[3.0, 1.0]]), torch.tensor([[2.0, -1.0]])])) == 25.0
    assert float(overlap(a, [])) == 0.0


def test_an_adapter_begins_without_effect_and_the_next_where_the_last_ended(policy):
    first = begun(policy, SMALL, None, 0)
    assert set(first) == {"layers.0", "layers.1"}
    assert all(bool((b == 0).all()) and float(a.detach().abs().max()) <= 0.25 for a, b in first.values())
    run(SMALL.begin(policy, rows("+"), [], seed=0))
    earlier = policy.intervention
    again = begun(policy, SMALL, earlier, 5)
    assert all(torch.equal(x, y) for site in again for x, y in zip(again[site], earlier.pairs[site], strict=True))


def test_a_wrong_answer_is_drawn_once_for_each_row(policy):
    shown = [policy.decode(t.completion_T) for t in relabelled(policy, rows("+"), 0)]
    right = [row.answer for row in rows("+")]
    assert all(a != b and a in right for a, b in zip(shown, right, strict=True))
    assert shown == [policy.decode(t.completion_T) for t in relabelled(policy, rows("+"), 0)]


def test_requests_follow_each_other_and_leave_others_alone(policy):
    plus, minus = (torch.tensor([policy.encode(row.prompt.text) for row in rows(sign)]) for sign in "+-")
    plain = policy.next_logp(plus), policy.next_logp(minus)
    run(SMALL.begin(policy, rows("+"), [], seed=0))
    first = policy.intervention
    assert (first.requests, len(first.before)) == (1, 1)
    assert (policy.next_logp(plus) - plain[0]).abs().max() > 0.01
    last = run(SMALL.begin(policy, rows("-"), [], seed=0))
    second = policy.intervention
    assert last.step()["o3/overlap"] > 0
    assert second.requests == 2
    assert torch.equal(second.before[0]["layers.0"], first.pairs["layers.0"][0])
    assert all(torch.equal(second.tensors[n], x) for n, x in first.tensors.items() if n.startswith("gate/0/"))
    assert (policy.next_logp(minus) - plain[1]).abs().max() > 0.01


def test_shut_detectors_are_the_model_itself_and_none_is_a_plain_adapter(policy):
    asked = torch.tensor([policy.encode(row.prompt.text) for row in rows("+")])
    plain = policy.next_logp(asked)
    run(O3(**{**vars(SMALL), "threshold": 0.9999}).begin(policy, rows("-"), [], seed=0))
    assert torch.equal(policy.next_logp(asked), plain)
    policy.intervene(None)
    run(O3(**{**vars(SMALL), "gated": False}).begin(policy, rows("-"), [], seed=0))
    assert not torch.equal(policy.next_logp(asked), plain)


def test_a_fit_goes_on_where_it_was_saved(policy, tmp_path, tiny_model_dir):
    fit = SMALL.begin(policy, rows("+"), [], seed=0)
    for _ in range(3):
        fit.step()
    fit.save(tmp_path)
    run(fit)
    other = Policy.load(str(tiny_model_dir("llama")))
    again = SMALL.begin(other, rows("+"), [], seed=0)
    again.restore(tmp_path)
    run(again)
    assert all(torch.equal(x, other.intervention.tensors[name]) for name, x in policy.intervention.tensors.items())
    (tmp_path / "o3.safetensors").write_bytes(b"no")
    with pytest.raises(SteelyardError, match="holds no request of O3"):
        again.restore(tmp_path)


def test_what_is_wrong_is_said(policy):
    with pytest.raises(SteelyardError, match="there is nothing to forget"):
        SMALL.begin(policy, [], [], seed=0)
    same = [AnsweredFile().answered({"prompt": f"{n}", "answer": "a"}, "here") for n in range(3)]
    with pytest.raises(SteelyardError, match="no row has another answer to learn"):
        SMALL.begin(policy, same, [], seed=0)
    policy.intervene(Corruption(1.0, torch.zeros(2, 1)))
    with pytest.raises(SteelyardError, match="the model has another intervention"):
        SMALL.begin(policy, rows("+"), [], seed=0)
    policy.intervene(None)
    run(SMALL.begin(policy, rows("+"), [], seed=0))
    with pytest.raises(SteelyardError, match="rank, detector_layers cannot differ from those of earlier requests"):
        O3(**{**vars(SMALL), "rank": 2, "detector": Detector(detector_layers=2, detector_width=8)}).begin(
            policy, rows("-"), [], seed=0
        )


def test_two_runs_one_after_the_other(tiny_model_dir, tmp_path, capsys):
    model = str(tiny_model_dir("llama"))
    for name, sign in (("first", "+"), ("second", "-")):
        lines = [json.dumps({"prompt": row.prompt.text, "answer": row.answer}) for row in rows(sign)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    train = ["train", "o3", "--model", model, *WORDS]
    runs = [tmp_path / "one", tmp_path / "two"]
    for where, name, start in ((runs[0], "first", []), (runs[1], "second", ["--start", str(runs[0])])):
        files = ["--forget", str(tmp_path / f"{name}.jsonl"), *start]
        assert main([*train, *files, "--dry-run"]) == 0
        assert main([*train, *files, "--output-dir", str(where)]) == 0
    rows_of = [json.loads(line) for line in (runs[1] / "eval.jsonl").read_text().splitlines()]
    assert rows_of[0]["step"] == 0 and rows_of[-1]["step"] == 4
    assert main(["eval", str(runs[1])]) == 0
    assert main(["sample", str(runs[1]), "--prompts", "1", "--samples", "1"]) == 0
    kept = (runs[1] / "model" / "intervention.safetensors").read_bytes()
    (runs[1] / "result.json").unlink()
    for name in ("model", "checkpoint-4"):
        shutil.rmtree(runs[1] / name)
    steelyard.resume(runs[1], report=False)
    assert (runs[1] / "model" / "intervention.safetensors").read_bytes() == kept
    capsys.readouterr()
    assert main([*train, "--forget", str(tmp_path / "second.jsonl"), "--start", str(runs[0]), "--rank", "2"]) == 2
    assert "rank cannot differ from those of earlier requests" in capsys.readouterr().err
