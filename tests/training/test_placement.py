"""Where jobs on given data and auxiliary models compute: the flags, the plan's lines, and GPUs that are not here."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.core.job import placed_on
from steelyard.guard.encoder_guard import LABELS, EncoderGuard
from steelyard.model import EncoderSizes
from steelyard.policy import Policy, device
from steelyard.policy.classifier import Classifier
from steelyard.recipes import find, load
from steelyard.reward.scorer import Scorer
from steelyard.task.attack import Attack
from steelyard.task.red_team import RedTeam
from steelyard.training.plan import plan
from steelyard.training.plan_text import plan_lines
from steelyard.training.preflight import preflight


@pytest.fixture
def two_gpus(monkeypatch):
    """A machine that says it has two GPUs; nothing can compute on them."""
    monkeypatch.setattr(device, "num_gpus", lambda: 2)
    for module in ("training.device_memory", "learner.model_job"):
        monkeypatch.setattr(f"steelyard.{module}.free_bytes", lambda at: 10**9 if at.type == "cuda" else None)


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"{i}+1=", "answer": str(i + 1)}) + "\n" for i in range(40)))
    return path


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": f"{i}+1={i + 1}", "label": i % 2 == 0}) + "\n" for i in range(40)))
    return path


def job(recipe, files, model, **settings) -> Any:
    """A job of one file on given data."""
    path = str(files)
    named = {"sft": {"path": path, "max_completion_length": 8}, "phf": {"documents": path}, "npo": {"forget": path}}[
        recipe
    ]
    return replace(find(recipe), model=str(model), **named, **settings)


def test_a_job_on_given_data_is_planned_on_its_device(two_gpus, answers, tiny_model_dir):
    found = plan(job("sft", answers, tiny_model_dir("llama"), device="cuda:1"), "sft")
    assert found["job"]["model"]["device"] == "cuda:1"
    assert found["job"]["model"]["free_bytes"] == 10**9
    assert any("device cuda:1, free bytes 1,000,000,000" in line for line in plan_lines(found))
    small = plan(job("sft", answers, tiny_model_dir("llama")), "sft")
    assert small["job"]["model"]["device"] == "cpu"
    assert "free_bytes" not in small["job"]["model"]


@pytest.mark.parametrize("recipe", ["sft", "npo", "phf"])
def test_a_gpu_that_is_not_here_is_refused_by_plan_and_run(recipe, answers, tiny_model_dir):
    wrong = job(recipe, answers, tiny_model_dir("llama"), device="cuda:7")
    with pytest.raises(SteelyardError, match="--device: is cuda:7, but torch sees none on this machine; use auto"):
        wrong.planned_policy()
    with pytest.raises(SteelyardError, match="--device: is cuda:7"):
        wrong.policy()


def test_guards_and_steering_refuse_it_too(texts):
    with pytest.raises(SteelyardError, match="--device: is cuda:7"):
        replace(find("encoder-guard"), texts=str(texts), device="cuda:7").plan()
    with pytest.raises(SteelyardError, match="--device: is cuda:7"):
        replace(find("saferoute"), texts=str(texts), small="a", large="b", device="cuda:7").plan()
    with pytest.raises(SteelyardError, match="--device: is cuda:7"):
        replace(find("mean-shift"), model="steelyard/arithmetic", device="cuda:7").policy()


def test_a_job_is_moved_as_eval_and_sample_ask(answers, texts, tiny_model_dir):
    tuned = job("sft", answers, tiny_model_dir("llama"), device="cuda:7")
    assert placed_on(tuned, "cpu").device == "cpu"
    bag = replace(find("bag-guard"), texts=str(texts))
    assert placed_on(bag, "cuda") is bag  # nothing of it is placed


def test_auxiliary_models_are_planned_on_theirs(two_gpus):
    run = replace(load("red-team"), task=RedTeam(models_device="cuda:1"), num_searchers=2)
    found = plan(run, "red-team")
    victim = found["other_models"]["victim"]
    assert victim["device"] == "cuda:1"
    taken = found["devices"]["gpus"]["cuda:1"]["parts"]
    assert taken == {"victim": {"weights": 3 * victim["bytes"]}}  # two searchers and the evaluator load it
    assert found["devices"]["placement"]["learner"] == "cpu"
    assert any(line.endswith("on cuda:1") and "victim" in line for line in plan_lines(found))


def test_a_gpu_that_is_not_here_is_refused_for_them(tiny_model_dir):
    run = replace(load("red-team"), task=RedTeam(models_device="cuda"))
    for check in (preflight, lambda run: plan(run, "red-team")):
        with pytest.raises(SteelyardError, match="--models-device: is cuda, but torch sees none on this machine"):
            check(run)
    with pytest.raises(SteelyardError, match="models_device: is 'gpu'; use auto, cpu, cuda or cuda:NUMBER"):
        Attack(models_device="gpu")


def test_every_kind_of_auxiliary_model_is_moved(monkeypatch, tiny_model_dir, tmp_path):
    """To the device without numbers, which every machine has."""
    EncoderGuard(("a", "b"), EncoderSizes(vocab_size=4, labels=LABELS, context_length=8), seed=0).write(tmp_path)
    for module in ("device", "policy"):
        monkeypatch.setattr(f"steelyard.policy.{module}.device_of", lambda *_: torch.device("meta"))
    llama = str(tiny_model_dir("llama"))
    nets = [
        Scorer.load(llama, device="cuda", new_head=0).net,
        Classifier.load(str(tmp_path), device="cuda").net,
        Policy.load(llama).placed("cuda").model,
    ]
    assert all(p.is_meta for net in nets for p in net.parameters())
