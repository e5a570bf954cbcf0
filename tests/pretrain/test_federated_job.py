import json

import pytest

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.pretrain.federated_job import FederatedTuning, FederatedWork
from steelyard.pretrain.fedrand import FedAvg
from steelyard.pretrain.supervised import SupervisedTuning

FEW = {"rounds": 2, "batch_size": 4, "learning_rate": 1e-2, "max_completion_length": 4, "lora_rank": 2}


@pytest.fixture
def path(tmp_path):
    """Forty rows of three clients."""
    rows = [{"prompt": f"{n}+1=", "answer": str(n + 1), "client": f"c{n % 3}", "all": 1} for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return str(tmp_path / "rows.jsonl")


def test_clients_are_named_by_a_column_or_dealt_out(path, tiny_model_dir):
    job = FederatedTuning(path=path, model=str(tiny_model_dir("llama")), **FEW)
    data = job.plan()["data"]
    assert (data["clients"], data["train"] + data["held_out"]) == (3, 40)
    work = job.open()
    assert work.num_steps == 6
    assert sum(len(rows) for rows in work.federation.clients) == data["train"]
    dealt = FederatedTuning(path=path, model=str(tiny_model_dir("llama")), clients=5, **FEW).plan()
    assert dealt["data"]["clients"] == 5
    assert dealt["steps"]["turns"] == 10


def test_the_command_and_who_uses_what_it_wrote(path, tiny_model_dir, tmp_path, capsys):
    out = tmp_path / "run"
    words = ["--model", str(tiny_model_dir("gpt2")), "--path", path, "--output-dir", str(out), "--eval-steps", "3"]
    few = [f"--{name.replace('_', '-')}={value}" for name, value in FEW.items()]
    assert main(["train", "fedrand", *words, *few]) == 0
    rows = [json.loads(line) for line in (out / "eval.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 3, 6]
    assert "eval/membership_auc" not in rows[0], "nothing was uploaded yet"
    assert all(0 <= rows[-1][f"eval/{name}"] <= 1 for name in ("membership_auc", "membership_auc_both"))
    assert 0.2 < rows[-1]["eval/uploaded"] < 0.8
    steps = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [(row["learner/round"], row["learner/client"]) for row in steps] == [
        (r, c) for r in range(2) for c in range(3)
    ]
    assert (out / "report.html").exists()
    capsys.readouterr()
    assert main(["eval", str(out)]) == 0
    said = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert float(said["held_out_loss"]) == pytest.approx(rows[-1]["eval/held_out_loss"], abs=1e-3)


def test_sharing_all_uploads_all(path, tiny_model_dir):
    work = FederatedTuning(sharing=FedAvg(), path=path, model=str(tiny_model_dir("llama")), **FEW).open()
    while work.steps < work.num_steps:
        work.step()
    row, _ = work.evaluate()
    assert row["eval/uploaded"] == 1.0
    assert row["eval/membership_auc"] == row["eval/membership_auc_both"]


def test_a_run_that_was_cut_short_goes_on_bit_for_bit(path, tiny_model_dir, tmp_path, monkeypatch):
    given = {"path": path, "model": str(tiny_model_dir("llama")), **FEW, "save_steps": 1, "eval_steps": 1}
    whole = steelyard.train("fedrand", report=False, output_dir=str(tmp_path / "whole"), **given).run_dir
    cut_short(monkeypatch, FederatedWork, 4, "fedrand", output_dir=str(tmp_path / "cut"), **given)
    resumed = steelyard.resume(tmp_path / "cut", report=False).run_dir
    for name in ("eval.jsonl", "metrics.jsonl", "model/model.safetensors"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()


def test_the_trained_job_is_plain_tuning_of_the_server_s_model(path, tmp_path):
    trained = FederatedTuning(path=path, model="m", **FEW).trained(tmp_path)
    assert isinstance(trained, SupervisedTuning)
    assert (trained.model, trained.lora_rank, trained.path) == (str(tmp_path), 0, path)


@pytest.mark.parametrize(("changed", "said"), [
    ({"path": ""}, "--path: is missing"),
    ({"client_column": "owner"}, "rows.jsonl, line 1: column 'owner' names no client; name another with"),
    ({"client_column": "all"}, "rows.jsonl: has rows of 1 clients to train on; give rows of more clients"),
    ({"max_completion_length": 64}, "no row fits a context"),
])  # fmt: skip
def test_what_is_wrong_is_said_before_anything_is_read_further(path, tiny_model_dir, changed, said):
    given = {"path": path, "model": str(tiny_model_dir("llama")), **FEW} | changed
    for act in ("plan", "open"):
        with pytest.raises(SteelyardError) as caught:
            getattr(FederatedTuning(**given), act)()
        assert said in str(caught.value)


def test_one_client_is_none():
    with pytest.raises(SteelyardError, match=r"--clients: is 1, and one client has nobody"):
        FederatedTuning(clients=1)
    with pytest.raises(SteelyardError, match=r"--lora-rank: is 0"):
        FederatedTuning(lora_rank=0)
