"""`steelyard train lm-fact-check` on one's own models and claims: the run, a resume, and the checker as a reward."""

import json

import pytest

import steelyard
from interrupted import cut_short
from policy.encoders import save_masked
from steelyard.check.scoring import episode_of
from steelyard.cli import main
from steelyard.core import Prompt, SteelyardError
from steelyard.core.job import Job
from steelyard.guard.fact_guard import read_fact_guard
from steelyard.learner.fitting_work import FittingWork
from steelyard.recipes import find
from steelyard.reward import reward_function
from steelyard.training.run_directory import read_finished_run

FEW = {"report": False, "save_steps": 2, "eval_steps": 3}


@pytest.fixture(scope="module")
def claims(tmp_path_factory):
    """90 claims of three labels, which their first letter tells."""
    rows = [{"text": f"{'abc'[i % 3]}{i} is B{i % 7}", "label": ["true", "false", "NEI"][i % 3]} for i in range(90)]
    path = tmp_path_factory.mktemp("claims") / "claims.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture
def settings(claims, tmp_path_factory, classifier_of):
    place = save_masked(tmp_path_factory.mktemp("masked"), context=48)
    return {"texts": str(claims), "model": place, "entailment": classifier_of("roberta", 0)}


def test_a_head_is_fitted_and_checks_as_a_reward(settings, tmp_path):
    result = steelyard.train("lm-fact-check", output_dir=str(tmp_path / "run"), max_steps=5, **settings, **FEW)
    assert {"eval/right", "eval/f1", "eval/zero_shot", "eval/recalled"} <= {*result.summary["after"]}
    job = read_finished_run(result.run_dir).job(base=False)
    assert isinstance(job, Job)
    row, shown = job.open().evaluate()
    after = result.summary["after"]
    assert row == {name: pytest.approx(after[name], abs=1e-6) for name in row}, "what was saved says what was measured"
    assert {s["reward"] for s in shown} <= {0.0, 1.0}
    guard = read_fact_guard(str(result.run_dir))
    texts = ["a1 is B1", "b2 is B9"]
    scores = reward_function(f"facts:{result.run_dir}")([episode_of(Prompt("p", "q"), text) for text in texts])
    assert [score.value for score in scores] == pytest.approx([1 - harm for harm in guard(texts).harm_N.tolist()])
    assert main(["eval", str(result.run_dir), "--texts", settings["texts"], "--json"]) == 0


def test_without_an_entailment_model_the_run_is_the_zero_shot_checker(settings, tmp_path, capsys):
    own = settings | {"entailment": ""}
    result = steelyard.train("lm-fact-check", output_dir=str(tmp_path / "run"), **own, **FEW)
    assert result.summary["steps"] == 0
    assert {*read_fact_guard(str(result.run_dir))(["a1 is B1", "no"]).harm_N.tolist()} <= {0.0, 1.0}


def test_a_kill_and_a_resume_change_nothing(settings, tmp_path, monkeypatch):
    own = settings | {"max_steps": 5} | FEW
    whole = steelyard.train("lm-fact-check", output_dir=str(tmp_path / "whole"), **own).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, FittingWork, 3, "lm-fact-check", output_dir=str(cut), **own)
    steelyard.resume(cut, report=False)
    for name in ("metrics.jsonl", "eval.jsonl", "model/facts.json", "model/facts.safetensors"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_another_model_in_its_place_is_found_out(settings, tmp_path):
    run = steelyard.train("lm-fact-check", output_dir=str(tmp_path / "run"), max_steps=2, **settings, **FEW).run_dir
    facts = json.loads((run / "model/facts.json").read_text())
    (run / "model/facts.json").write_text(json.dumps(facts | {"probe": [0.5, 0.1, 0.9, 0.3]}))
    with pytest.raises(SteelyardError, match="its models are others than those that it was fitted on"):
        read_fact_guard(str(run))
    (run / "model/facts.safetensors").write_bytes(b"")
    with pytest.raises(SteelyardError, match="no fact checker can be read"):
        read_fact_guard(str(run))
    with pytest.raises(SteelyardError, match="there is no fact checker"):
        read_fact_guard(str(tmp_path))


def test_a_plan_names_the_models(settings, capsys):
    assert isinstance(find("lm-fact-check"), Job)
    line = [word for name, value in settings.items() for word in (f"--{name}", value)]
    assert main(["train", "lm-fact-check", *line, "--dry-run"]) == 0
    assert "refuted 30" in capsys.readouterr().err
