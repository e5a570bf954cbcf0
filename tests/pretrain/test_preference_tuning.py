import json
import math
from dataclasses import replace

import pytest

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import Sampling, SteelyardError
from steelyard.learner import Adam, Learner
from steelyard.learner.given_data import GivenData
from steelyard.objective import DPO, GRPO, HPT, IPO, KTO, VarGradTB
from steelyard.policy import Policy
from steelyard.policy.likelihood import total_logp
from steelyard.pretrain.context_room import LEFT_OUT
from steelyard.pretrain.preference_tuning import HELD_OUT_TOO, PreferenceTuning
from steelyard.report import write_report

FEW = {"batch_size": 4, "max_steps": 4, "max_completion_length": 4, "learning_rate": 1e-2}
MEASURED = {f"eval/{name}" for name in ("chosen_logp", "rejected_logp", "displaced")}
MEASURED |= {"eval/preference_accuracy", "eval/preference_margin"}


def write(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def rows_of(number):
    return [{"prompt": f"{n}+1=", "chosen": f"{n + 1}", "rejected": "a" * (1 + n % 3)} for n in range(number)]


@pytest.fixture
def pairs(tmp_path):
    return write(tmp_path / "pairs.jsonl", rows_of(16))


def job_of(pairs, model, **settings):
    return PreferenceTuning(path=pairs, model=str(model), **FEW | settings)


def rows_in(run, name):
    return [json.loads(line) for line in (run / f"{name}.jsonl").read_text().splitlines()]


def test_the_first_losses_are_known(pairs, tiny_model_dir):
    """Before the first step every margin is 0: -log sigma(0) = log 2, (0 - 1 / (2 tau))^2 = 25, 1 - sigma(0) = 1/2."""
    for objective, loss in ((DPO(), math.log(2)), (IPO(), 25.0), (KTO(), 0.5)):
        work = job_of(pairs, tiny_model_dir("llama"), objective=objective).open()
        assert work.step()["learner/loss"] == pytest.approx(loss, rel=1e-5)


def test_it_is_online_dpo_on_the_same_pair(pairs, tiny_model_dir):
    """An online learner that is handed the pair as samples makes the same steps, and the second loss is DPO's."""
    work = job_of(pairs, tiny_model_dir("llama"), batch_size=1, objective=DPO(beta=0.3)).open()
    start = Policy.load(str(tiny_model_dir("llama")))
    [pair] = work.groups_at(0)
    before = total_logp(start, pair)
    work.groups_at = lambda step: [pair]
    online = Learner(start, DPO(beta=0.3), Adam(), learning_rate=1e-2)
    seen = {"sampling": Sampling(max_tokens=8), "labels": {}}
    sampled = [t.replace(logp_behaviour_T=t.logp_ref_T, **seen) for t in pair]
    losses = []
    for _ in range(3):
        losses.append(work.step()["learner/loss"])
        assert losses[-1] == online.step([sampled])["learner/loss"]
        if len(losses) == 1:
            risen = total_logp(work.learner.policy, pair) - before
    assert losses[1] == pytest.approx(math.log(1 + math.exp(-0.3 * (risen[0] - risen[1]))), rel=1e-4)
    assert losses[2] < losses[1] < losses[0]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("lora", [0, 2])
def test_held_out_pairs_are_preferred_afterwards(family, lora, pairs, tiny_model_dir):
    work = job_of(pairs, tiny_model_dir(family), max_steps=12, lora_rank=lora, held_out_share=0.2).open()
    first, samples = work.evaluate()
    assert set(first) == MEASURED
    assert (first["eval/preference_accuracy"], first["eval/preference_margin"], first["eval/displaced"]) == (0.5, 0, 0)
    assert {"prompt", "completion", "chosen", "rejected"} == set(samples[0])
    for _ in range(work.num_steps):
        work.step()
    last, _ = work.evaluate()
    assert last["eval/preference_accuracy"] == 1.0
    sides = [last[f"eval/{name}_logp"] - first[f"eval/{name}_logp"] for name in ("chosen", "rejected")]
    assert last["eval/preference_margin"] == pytest.approx(sides[0] - sides[1])
    assert last["eval/preference_margin"] > 1


@pytest.mark.parametrize("recipe", ["offline-dpo", "offline-ipo", "offline-kto"])
def test_a_killed_run_goes_on_as_if_nothing_had_been(recipe, pairs, tiny_model_dir, tmp_path, monkeypatch):
    """Six pairs of a step, three steps an epoch: the cut is in the second epoch."""
    given = {"path": pairs, "model": str(tiny_model_dir("llama")), **FEW, "batch_size": 6, "save_steps": 1}
    given |= {"max_steps": 5, "lora_rank": 2, "lora_dropout": 0.1} if recipe == "offline-ipo" else {"max_steps": 5}
    cut_short(monkeypatch, GivenData, 4, recipe, output_dir=str(tmp_path / "cut"), **given)
    run = steelyard.resume(tmp_path / "cut", report=False).run_dir
    whole = steelyard.train(recipe, report=False, output_dir=str(tmp_path / "whole"), **given).run_dir
    for name in ("metrics.jsonl", "eval.jsonl", "samples.jsonl", "data.json", "model/model.safetensors"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def test_run_page_eval_and_sample(pairs, tiny_model_dir, tmp_path, capsys):
    words = ["--model", str(tiny_model_dir("llama")), "--path", pairs, "--max-completion-length", "4"]
    words += ["--max-steps", "3", "--batch-size", "4", "--learning-rate", "1e-2", "--beta", "0.2"]
    assert main(["train", "offline-dpo", *words, "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["job"]
    assert found["data"] == {"train": 14, "held_out": 2, "notes": {}}
    assert found["steps"] == {"steps": 3, "pairs_a_step": 4, "epochs": 1}
    run = tmp_path / "run"
    assert main(["train", "offline-dpo", *words, "--output-dir", str(run)]) == 0
    page = (run / "report.html").read_text()
    assert "chosen displaced" in page and "log p, rejected" in page
    last = rows_in(run, "eval")[-1]
    capsys.readouterr()
    assert main(["eval", str(run), "--json"]) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {name: again[name] for name in MEASURED} == pytest.approx({name: last[name] for name in MEASURED}, rel=1e-4)
    assert again["eval/preference_margin"] != 0
    assert main(["eval", str(run), "--base", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["eval/preference_margin"] == 0
    assert main(["sample", str(run)]) == 0
    write_report(run)


def test_it_learns_from_what_ches_wrote(pairs, tiny_model_dir, tmp_path):
    model = str(tiny_model_dir("llama"))
    assert (
        main(["train", "ches", "--rows", pairs, "--reader", model, "--keep", "0.5", "--output-dir", f"{tmp_path}/c"])
        == 0
    )
    given = {"path": str(tmp_path / "c/data/records.jsonl"), "model": model, **FEW, "output_dir": str(tmp_path / "run")}
    run = steelyard.train("offline-dpo", report=False, **given).run_dir
    facts = json.loads((run / "data.json").read_text())
    assert facts["train"] + facts["held_out"] == 8


def test_chat_messages_end_with_the_end_of_turn(tiny_model_dir, tmp_path):
    rows = [{**row, "prompt": [{"role": "user", "content": row["prompt"]}]} for row in rows_of(6)]
    work = job_of(write(tmp_path / "p.jsonl", rows), tiny_model_dir("qwen3")).open()
    [chosen, rejected] = work.groups_at(0)[0]
    assert [chosen.reward, rejected.reward] == [1.0, 0.0]
    policy = work.learner.policy
    assert chosen.tokens_T[~chosen.action_T].tolist() == rejected.tokens_T[~rejected.action_T].tolist()
    assert chosen.tokens_T[-1] == policy.end_of(rows[0]["prompt"])


def test_what_is_left_out_is_counted(tiny_model_dir, tmp_path):
    rows = [*rows_of(6), {"prompt": "1" * 70, "chosen": "2", "rejected": "3"}]
    held = write(tmp_path / "held.jsonl", rows_of(2))
    work = job_of(write(tmp_path / "p.jsonl", rows), tiny_model_dir("llama"), held_out=held).open()
    assert work.facts == {"train": 4, "held_out": 2, "notes": {HELD_OUT_TOO: 2, LEFT_OUT: 1}}


def test_a_prompt_is_on_one_side_of_the_split(tiny_model_dir, tmp_path):
    rows = [{**row, "chosen": more} for row in rows_of(10) for more in ("1", "22")]
    job = job_of(write(tmp_path / "p.jsonl", rows), tiny_model_dir("llama"), held_out_share=0.3)
    assert len({prompt.id for prompt in job.asked()}) == len(job.asked()) == job.plan()["data"]["held_out"] / 2


@pytest.mark.parametrize("objective", [GRPO(), HPT()])
def test_an_objective_that_needs_samples_is_refused(objective):
    with pytest.raises(SteelyardError, match="cannot learn from given pairs alone"):
        PreferenceTuning(objective=objective)


def test_any_objective_that_compares_two_completions_will_do(pairs, tiny_model_dir):
    work = job_of(pairs, tiny_model_dir("llama"), objective=VarGradTB()).open()
    assert work.step()["learner/grad_norm"] > 0
    assert replace(job_of(pairs, "m"), objective=IPO()).title == f"IPO on the pairs of {pairs}; model m"
