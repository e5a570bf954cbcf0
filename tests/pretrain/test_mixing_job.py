import json

import numpy as np
import pytest

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.curriculum import DataMixingAgent
from steelyard.curriculum.mixing_agent import MixingAgent, new_actor, scores
from steelyard.pretrain.mixed_tuning import MixedTuning
from steelyard.pretrain.mixing_fit import MixedRun, MixingFit
from steelyard.pretrain.mixing_job import FitMixingAgent
from steelyard.pretrain.mixing_work import MixingWork
from steelyard.task.skilled import SkilledColumns, SkilledFile

TOPIC = SkilledFile(columns=SkilledColumns(skill="topic"))
TARGET = DataMixingAgent(targets=(1,), round_size=8)
FEW = {"batch_size": 4, "learning_rate": 1e-2, "max_completion_length": 4, "file": TOPIC, "curriculum": TARGET}
FIT = MixingFit(warmup_steps=2, q_steps=2, agent_batch=4, actions=3)
SHORT = {"runs": 3, "rounds": 2, "fit": FIT}


@pytest.fixture
def path(tmp_path):
    """Forty rows of two topics, 0 echo and 1 sum."""
    rows = [{"prompt": f"{n}+1=", "answer": str(n + 1), "topic": "sum"} for n in range(20)]
    rows += [{"prompt": f"{n}{letter}=", "answer": letter, "topic": "echo"} for letter in "ab" for n in range(10)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return str(tmp_path / "rows.jsonl")


def test_the_proxy_trains_every_run_from_the_model_as_it_is_and_the_agent_is_written(path, tiny_model_dir, tmp_path):
    model = str(tiny_model_dir("llama"))
    work = FitMixingAgent(**{"path": path, "model": model, **FEW, **SHORT}).open()
    assert isinstance(work, MixingWork)
    assert (work.num_steps, work.facts["learner_steps"]) == (3 + 4, 3 * 2 * 2)
    first, samples = work.evaluate()
    assert first == {"eval/drawn@echo": 0.5, "eval/drawn@sum": 0.5}
    assert samples == []
    metrics = [work.step() for _ in range(7)]
    runs = work.runs
    assert all(run.losses[0] == runs[0].losses[0] for run in runs)
    assert runs[0].shares != runs[1].shares
    target_D = np.array([0.0, 1.0])
    assert metrics[1]["mixing/end"] == pytest.approx(scores(runs[1].losses, target_D)[-1])
    assert min(row["mixing/end"] for row in metrics[:3]) > 0, "training lowers the losses"
    assert all("learner/loss" in row for row in metrics[3:])
    last, samples = work.evaluate()
    assert last["eval/end_best"] == max(row["mixing/end"] for row in metrics[:3])
    assert len(samples) == 2
    work.save_model(tmp_path / "agent")
    share = MixingAgent.load(str(tmp_path)).shares([], [], target_D)
    assert [last["eval/drawn@echo"], last["eval/drawn@sum"]] == pytest.approx(share.tolist())


def test_a_fit_that_was_cut_short_goes_on_bit_for_bit(path, tiny_model_dir, tmp_path, monkeypatch):
    given = {"path": path, "model": str(tiny_model_dir("gpt2")), **FEW, **SHORT, "save_steps": 1, "eval_steps": 1}
    recipe = "data-mixing-agent"
    whole = steelyard.train(recipe, report=False, output_dir=str(tmp_path / "whole"), **given).run_dir
    for steps in (2, 5):
        cut_short(monkeypatch, MixingWork, steps, recipe, output_dir=str(tmp_path / f"cut{steps}"), **given)
        run = steelyard.resume(tmp_path / f"cut{steps}", report=False).run_dir
        for name in ("metrics.jsonl", "eval.jsonl", "samples.jsonl", "data.json", "agent/agent.safetensors"):
            assert (run / name).read_bytes() == (whole / name).read_bytes()
    for command in ("eval", "sample"):
        assert main([command, str(whole)]) == 2, "an agent is no model"


def test_rows_are_drawn_by_the_agent_of_a_run(path, tiny_model_dir, tmp_path):
    """Its shares are those that the agent gives for the losses of the model on validation rows."""
    actor = new_actor(0)
    actor.say[-1].weight.data.fill_(5.0)
    MixingAgent(actor, 3).save(tmp_path / "agent")
    curriculum = DataMixingAgent(agent=str(tmp_path), targets=(1,), round_size=8)
    settings = {**FEW, "curriculum": curriculum, "max_steps": 5}
    work = MixedTuning(path=path, model=str(tiny_model_dir("llama")), **settings).open()
    for _ in range(5):
        work.step()
    state = work.groups_at.draws.state()
    assert np.shape(state["losses"]) == np.shape(state["shares"]) == (3, 2)
    agent = MixingAgent.load(str(tmp_path))
    for t in range(3):
        share_D = agent.shares(state["shares"][:t], state["losses"][: t + 1], np.array([0.0, 1.0]))
        assert share_D == pytest.approx(np.array(state["shares"][t]))
    row, _ = work.evaluate()
    assert [row["eval/drawn@echo"], row["eval/drawn@sum"]] == pytest.approx(state["shares"][-1])
    assert state["losses"][0][0] > state["losses"][-1][0] > 0


def test_the_plans(path, tiny_model_dir, tmp_path):
    model = str(tiny_model_dir("llama"))
    plan = FitMixingAgent(**{"path": path, "model": model, **FEW, **SHORT}).plan()
    assert plan["steps"] == {"steps": 7}
    assert plan["data"]["skills"] == "0 echo, 1 sum"
    MixingAgent(new_actor(0), 3).save(tmp_path)
    curriculum = DataMixingAgent(agent=str(tmp_path))
    tuned = MixedTuning(**{"path": path, "model": model, **FEW, "curriculum": curriculum}).plan()
    assert tuned["data"]["train"] + tuned["data"]["validation"] + tuned["data"]["held_out"] == 40


def test_what_cannot_work_is_refused(path, tiny_model_dir, tmp_path):
    model = str(tiny_model_dir("llama"))
    far = DataMixingAgent(agent=str(tmp_path / "none"))
    for make, settings, said in (
        (MixedTuning, {"curriculum": DataMixingAgent()}, "--agent: is missing; give the run of steelyard train"),
        (MixedTuning, {"curriculum": far}, "none: there is no mixing agent"),
        (FitMixingAgent, {"curriculum": far}, "--agent: is what is fitted here; leave it out"),
        (FitMixingAgent, {"curriculum": DataMixingAgent(targets=(7,))}, "no prompt has domain 7; name some of 0, 1"),
        (FitMixingAgent, {"file": SkilledFile()}, "there is no skill: column 'skill'"),
    ):
        job = make(**{"path": path, "model": model, **FEW} | settings)
        for begin in (job.plan, job.open):
            with pytest.raises(SteelyardError, match=said):
                begin()


def test_a_damaged_checkpoint_is_refused(path, tiny_model_dir, tmp_path):
    work = FitMixingAgent(**{"path": path, "model": str(tiny_model_dir("llama")), **FEW, **SHORT}).open()
    (tmp_path / "runs.json").write_text('[{"shares": 1}]')
    with pytest.raises(SteelyardError, match=r"runs.json: is damaged"):
        work.restore(tmp_path)
    assert MixedRun([[1.0]], [[1.0], [0.5]]) == MixedRun([[1.0]], [[1.0], [0.5]])
