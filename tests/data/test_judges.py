"""Who rates by name: functions, reward models and guards, and what a constraint keeps from the judge."""

import json

import pytest

from steelyard.cli import main
from steelyard.core import Score, SteelyardError
from steelyard.data import records_of
from steelyard.data.function_judge import FunctionJudge
from steelyard.data.judges import KeptBy, RewardJudge, judge_of
from steelyard.reward.scorer import Said, Scorer, scores
from steelyard.task.files import read_rows


@pytest.fixture
def own(tmp_path, tiny_model_dir, monkeypatch):
    """Rows, a tiny model, a reward model of it, and a guard."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps({"prompt": f"{n}+1="}) for n in range(6)))
    Scorer.load(str(tiny_model_dir("llama")), new_head=0).save(tmp_path / "reward")
    labelled = [{"text": f"{n}-1", "label": int(n % 4 == 0)} for n in range(80)]
    (tmp_path / "labelled.jsonl").write_text("\n".join(map(json.dumps, labelled)))
    (tmp_path / "own.py").write_text("def length(prompts, completions, **c):\n    return [len(c) for c in completions]")
    return str(tiny_model_dir("llama"))


def line(model, *more):
    words = ["train", "rejection-sampling", "--rows", "rows.jsonl", "--generator", model, "--output-dir", "run"]
    return [*words, "--max-completion-length", "8", "--samples", "6", *more]


def test_a_reward_model_picks_what_it_scores_highest(own, tmp_path):
    assert main(line(own, "--judge", "reward-model:reward")) == 0
    found = records_of(read_rows("run/data/records.jsonl"))
    assert found
    scorer = Scorer.load("reward")
    said = [Said(record.fields["prompt"], record.fields["answer"]) for record in found]
    assert [record.fields["reward"] for record in found] == pytest.approx(scores(scorer, said), rel=1e-5)
    assert found[0].origin.asked["judge"] == "reward-model:reward"


def test_a_guard_rules_out_before_the_judge_is_asked():
    asked = []

    def reward(episodes):
        asked.extend(e.completion for e in episodes)
        return [Score(float(len(e.completion))) for e in episodes]

    def guard(episodes):
        return [Score(None if "?" in e.completion else float("bad" not in e.completion)) for e in episodes]

    judge = KeptBy(RewardJudge("reward-model:r", reward), RewardJudge("guard:g", guard))
    assert judge(["p"] * 3, ["good", "bad", "?"], other=[1, 2, 3]) == [4.0, None, None]
    assert asked == ["good"]
    assert judge.name == "reward-model:r, kept by guard:g"
    assert judge([], []) == []


def test_a_guard_of_a_run_keeps_answers_out(own):
    assert main(["train", "bag-guard", "--texts", "labelled.jsonl", "--output-dir", "guard", "--max-steps", "5"]) == 0
    assert main(line(own, "--judge", "own.py:length", "--constraint", "guard:guard")) == 0
    asked = {r.origin.asked["judge"] for r in records_of(read_rows("run/data/records.jsonl"))}
    assert asked == {"own.py:length, kept by guard:guard"}


@pytest.mark.parametrize(("flags", "said"), [
    (["--judge", "reward-model:nowhere/at/all"], "reward model: no such directory"),
    (["--judge", "nowhere.py:f"], "--judge: there is no file nowhere.py"),
    (["--judge", "nothing"], "--judge: 'nothing' names nothing that rates"),
    (["--judge", "own.py:length", "--constraint", "guard:nowhere"], "guard:nowhere: there is no guard"),
    (["--constraint", "guard:nowhere"], "--judge: is missing"),
])  # fmt: skip
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry"])
def test_wrong_names_are_one_line_and_nothing_is_written(flags, said, dry, own, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    assert main(line(own, *flags, *dry)) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_function_stays_a_function():
    assert isinstance(judge_of("module:function"), FunctionJudge)
    with pytest.raises(SteelyardError, match="names no directory"):
        judge_of("reward-model:")
