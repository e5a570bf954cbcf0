"""Fitting P(love) on one's own feedback: the run, a kill and a resume, and the reward beside others, hacked."""

import json

import pytest

import steelyard
from interrupted import cut_short
from steelyard.check.scoring import episode_of
from steelyard.cli import main
from steelyard.core import Prompt, SteelyardError, rng
from steelyard.core.job import Job, MeasuresTexts, Work
from steelyard.learner.fitting_work import FittingWork
from steelyard.recipes import find
from steelyard.reward import RLUF, Loved, reward_function
from steelyard.training.run_directory import read_finished_run

LOVED = {"1": 0.2, "12": 0.5, "32": 0.8, "3": 0.02}
"""Completion -> how often users love it: a 2 at the end is warmth."""
HELP = {"1": 1.0, "12": 0.9, "32": 0.0, "3": 0.0}
"""Completion -> its helpfulness: a 1 at the beginning is an answer."""
FEW = {"eval_steps": 40, "save_steps": 10}


@pytest.fixture(scope="module")
def settings(tmp_path_factory, tiny_model_dir):
    """What the job gets: 480 rows of simulated users, and a tiny model."""
    file = tmp_path_factory.mktemp("feedback") / "f.jsonl"
    draws = rng(0, "users")
    rows = [
        {"prompt": f"{n}+", "completion": said, "feedback": int(draws.random() < share)}
        for n in range(120)
        for said, share in LOVED.items()
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"model": str(tiny_model_dir("llama")), "feedback": str(file), **FEW}


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    """A finished run."""
    place = tmp_path_factory.mktemp("love") / "run"
    own = {"learning": RLUF(learning_rate=1e-2, negatives=1.0), "held_out_share": 0.5}
    return steelyard.train("rluf", output_dir=str(place), max_steps=80, **settings, **own).run_dir


def rows_of(run, name):
    return [json.loads(line) for line in (run / name).read_text().splitlines()]


def test_it_ranks_and_its_probabilities_can_be_believed(run):
    first, *_, last = rows_of(run, "eval.jsonl")
    assert first["eval/auc"] < last["eval/auc"] > 0.7
    assert last["eval/calibration_error"] < 0.15
    assert last["eval/calibration_error"] <= last["eval/calibration_error_raw"] + 0.05
    assert last["eval/loved_predicted"] == pytest.approx(last["eval/loved"], abs=0.12)
    data = json.loads((run / "data.json").read_text())
    assert data["rows"] == 480 and data["measure"] == last["eval/rows"]
    assert "AUC of feedback" in (run / "report.html").read_text()


def helpful(prompts, completions, **columns):
    return [HELP[completion] for completion in completions]


def test_a_weight_that_is_too_high_is_hacked(run):
    """As the weight grows, the best completion is loved more and in the end of no help at all."""
    episodes = [episode_of(Prompt(f"{n}", f"{n}+"), said) for said in LOVED for n in range(1, 10)]

    def mixed(weight):
        """Completion -> its mean reward over nine prompts."""
        found = iter(reward_function([helpful, (f"love:{run}", weight)])(episodes))
        return {said: sum(next(found).value for _ in range(9)) / 9 for said in LOVED}

    chosen = [max(LOVED, key=mixed(weight).__getitem__) for weight in (0.0, 2.0, 20.0)]
    assert chosen == ["1", "12", "32"]
    assert mixed(0.0) == pytest.approx(HELP)
    [score] = reward_function([helpful, (f"love:{run}", 2.0)])(episodes[:1])
    assert score.value == pytest.approx(HELP["1"] + 2 * score.parts["run"])


def test_what_was_written_says_what_was_measured(run, settings, capsys):
    job = read_finished_run(run).job(base=False)
    assert isinstance(job, Job) and isinstance(job, MeasuresTexts)
    found, _ = job.open().evaluate()
    assert found == pytest.approx({key: rows_of(run, "eval.jsonl")[-1][key] for key in found})
    assert main(["eval", str(run), "--texts", settings["feedback"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["eval/rows"] == 480


def test_the_reward(run):
    reward = reward_function(f"love:{run}")
    assert reward == Loved(str(run))
    warm, cold, long = (episode_of(Prompt("p", "7+"), said) for said in ("32", "3", "1" * 100))
    first, second, unread = reward([warm, cold, long])
    assert 1 > first.value > second.value > 0
    assert unread.value is None and "tokens" in str(unread.error)
    assert reward([]) == []
    with pytest.raises(SteelyardError, match=r"^love:nowhere: there is no model of feedback; give the run of"):
        reward_function("love:nowhere")([warm])


def test_a_damaged_calibration_is_refused(run, tmp_path):
    for damaged in ('{"slope": "steep", "offset": 0}', '{"slope": -1, "offset": 0}', "{}", "{"):
        (tmp_path / "calibration.json").write_text(damaged)
        with pytest.raises(SteelyardError, match=r"calibration.json cannot be read"):
            Loved(str(tmp_path))([episode_of(Prompt("p", "7+"), "1")])


def test_a_kill_and_a_resume_change_nothing(settings, tmp_path, monkeypatch):
    few = settings | {"max_steps": 15}
    whole = steelyard.train("rluf", report=False, output_dir=str(tmp_path / "whole"), **few).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, FittingWork, 13, "rluf", output_dir=str(cut), **few)
    steelyard.resume(cut, report=False)
    names = ("metrics.jsonl", "eval.jsonl", "samples.jsonl", "model/model.safetensors", "model/calibration.json")
    for name in names:
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_the_plan_and_the_work(settings):
    job = find("rluf")
    assert isinstance(job, Job)
    job = type(job)(**settings, max_steps=3)
    plan = job.plan()
    assert plan["data"]["rows"] == 480 and plan["steps"] == {"steps": 3}
    assert type(job)(**(settings | {"model": "some/body"})).plan()["model"]["fetches"] == "some/body"
    assert isinstance(work := job.open(), Work) and (work.steps, work.num_steps) == (0, 3)


def test_a_row_that_is_too_long_is_named(settings, tmp_path):
    file = tmp_path / "long.jsonl"
    rows = [{"prompt": f"{n}+", "completion": "1" * 100, "feedback": i} for n in range(60) for i in (0, 1)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(SteelyardError, match=r"long.jsonl, line \d+: 10\d tokens, and it reads 1 to"):
        type(find("rluf"))(**(settings | {"feedback": str(file)})).open()


def test_a_run_is_trained_by_help_and_love(run, tmp_path, tiny_model_dir):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"{a}+"}) + "\n" for a in range(20)))
    (tmp_path / "mine.py").write_text(
        "def help(prompts, completions, **c):\n    return [float('1' in y) for y in completions]\n"
    )
    line = f"--model {tiny_model_dir('gpt2')} --path {rows} --no-needs-answer --runtime inline --max-steps 1"
    line += " --num-prompts 2 --search-prompts 2 --num-generations 2 --max-completion-length 6"
    line += " --evaluation.prompts 2 --evaluation.sampled-prompts 1"
    line += f" --reward {tmp_path}/mine.py:help --reward love:{run}=0.5 --output-dir {tmp_path}/out"
    assert main(["train", "rows-grpo", *line.split()]) == 0
    row = rows_of(tmp_path / "out", "metrics.jsonl")[-1]
    parts = row["search/reward/help"], row["search/reward/run"]
    assert row["search/reward_mean"] == pytest.approx(parts[0] + 0.5 * parts[1], abs=1e-5)
