"""SPOC over any task of one turn, and over own rows in a run."""

import importlib
import json
from dataclasses import replace

import pytest

from steelyard.check.scoring import episode_of
from steelyard.cli import main
from steelyard.core import Episode, Interactive, Prompt, Score, SteelyardError, Stops, VerifiesTurns, decode, encode
from steelyard.recipes import find
from steelyard.runtime.factories import make_task, verified
from steelyard.task import SPOC, Arithmetic, Guessing, Rows

MARKS = {"verify": "v", "accept": "y", "reject": "n"}
FEW = "--max-steps 1 --num-prompts 2 --search-prompts 2 --num-generations 4 --save-steps 0 --runtime inline"
FEW += " --evaluation.prompts 2 --evaluation.sampled-prompts 2 --evaluation.samples 2 --max-completion-length 12"
REWARDS = """
def short(prompts, completions, finish, **columns):
    assert all(finish), "it is told how each ended"
    return [0.5 if len(c) < 2 else 0.0 for c in completions]


def fails(prompts, completions, **columns):
    return [None if "8" in c else 1.0 for c in completions]
"""


class Eight:
    """A task of one prompt, whose answer is 8."""

    def __init__(self):
        self.seen = []

    def prompts(self, split):
        return [Prompt("p", "q:")]

    def score(self, episodes):
        self.seen += [(e.completion, e.finish) for e in episodes]
        return [Score(None, error="broke") if "x" in e.completion else Score(float(e.completion == "8"))
                for e in episodes]  # fmt: skip


def scored(completion, *, most=4, **fields):
    task = SPOC(**MARKS, max_proposals=most, task=Eight())
    [episode] = [episode_of(Prompt("p", "q:"), completion)]
    return task.score([replace(episode, **fields)])[0]


def test_rewards_of_both_roles_by_hand():
    score = scored("5v01n8v01y")
    # 5 is wrong and refused: -1 and +1. 8 is right and accepted: +1 and +1, the last with the end of the completion.
    assert score.part_rewards == ((1, -1.0), (5, 1.0), (6, 1.0), (None, 1.0))
    assert (score.value, score.right) == (1.0, True)
    assert score.parts == {
        "first": 0.0, "proposals": 2.0, "verdicts": 2.0, "right_verdicts": 2.0, "false_accepts": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("completion", "rewards", "value", "wrongly"),
    [
        ("5vy", (-1, -1), 0, 1),  # a wrong one accepted
        ("8vn", (1, -1), 1, 0),  # a right one refused, and nothing follows: it is the answer all the same
        ("8vn5vy", (1, -1, -1, -1), 0, 1),
        ("5vn", (-1, 1), 0, 0),
        ("8v0", (1, -1), 1, 0),  # without a verdict a verification is wrong
        ("5v", (-1, -1), 0, 0),
        ("5vn8", (-1, 1, 1), 1, 0),  # the last proposal is the answer where nobody judged it
        ("8", (1,), 1, 0),
        ("", (-1,), 0, 0),
    ],
)
def test_verdicts_by_hand(completion, rewards, value, wrongly):
    score = scored(completion)
    assert tuple(reward for _, reward in score.part_rewards) == rewards
    assert score.part_rewards[-1][0] is None
    assert (score.value, score.parts["false_accepts"]) == (value, wrongly)


def test_what_follows_the_last_proposal_is_neither_answer_nor_rewarded():
    score = scored("5vn5vn8vy", most=2)
    assert score.part_rewards == ((1, -1.0), (3, 1.0), (4, -1.0), (6, 1.0))
    assert score.value == 0.0


def test_the_verdict_that_ended_the_completion_is_read_though_the_text_lacks_it():
    [whole] = [episode_of(Prompt("p", "q:"), "8v0")]
    stopped = whole.trajectory.replace(info={"stop": "y"})
    score = scored("8v0", trajectory=stopped)
    assert score.part_rewards == ((1, 1.0), (None, 1.0))
    assert scored("8", trajectory=stopped).part_rewards == ((None, 1.0),), "without a verification it is no verdict"


def test_without_a_verification_it_is_the_inner_task():
    inner = Arithmetic(problems=16, held_out=4)
    task = SPOC(task=inner)
    [prompt] = task.prompts("train")[:1]
    answer = str(prompt.columns["answer"])
    cut = Episode.written(prompt, answer, "length")
    for episode in (episode_of(prompt, answer), episode_of(prompt, "x"), cut):
        [own], [score] = inner.score([episode]), task.score([episode])
        assert (score.value, score.read, score.read_from) == (own.value, own.read, own.read_from)
        assert score.part_rewards == ((None, 1.0 if own.value == 1 else -1.0),)
        assert (score.parts["proposals"], score.parts["verdicts"]) == (1.0, 0.0)


def test_each_proposal_is_verified_alone_and_told_how_it_ended():
    task = SPOC(**MARKS, task=Eight())
    cut = Episode.written(Prompt("p", "q:"), "5v0n8", "length")
    task.score([cut, episode_of(Prompt("p", "q:"), "8")])
    assert task.task.seen == [("5", "stop"), ("8", "length"), ("8", "stop")]
    assert task.score([]) == []


def test_a_proposal_that_cannot_be_verified_leaves_no_reward():
    score = scored("5vnxvy")
    assert score == Score(None, error="proposal 2: broke")


def test_it_is_a_task_of_one_turn_with_what_the_inner_one_has(here):
    task = SPOC(task=Rows(path="q.jsonl"))
    assert not isinstance(task, Interactive)
    assert isinstance(task, VerifiesTurns)
    assert isinstance(task, Stops)
    assert (task.stop, task.path, task.needs_answer) == (("Verdict: correct",), "q.jsonl", True)
    assert not hasattr(SPOC(task=Arithmetic()), "path")
    assert decode(encode(task)) == task
    with pytest.raises(SteelyardError, match=r"spoc\.task: Guessing has several turns; give a task of one turn"):
        SPOC(task=Guessing())
    with pytest.raises(SteelyardError, match=r"spoc\.max_proposals: is 0"):
        SPOC(max_proposals=0)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with rows and rewards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        importlib.import_module("steelyard.training.train"), "write_report", lambda run_dir: None
    )  # plots are slow
    rows = [{"prompt": f"{n}+1=", "answer": str(n + 1), "wrong": [str(n + 2)]} for n in range(40)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "own.py").write_text(REWARDS)
    return tmp_path


def told(words, capsys):
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_reward_that_the_run_names_verifies_single_proposals(here):
    run = replace(find("spoc"), task=SPOC(**MARKS, task=Rows(path="q.jsonl", needs_answer=False)), model="x")
    ready = verified(replace(run, reward="own.py:short"))
    assert ready.reward is None
    prompt = ready.task.prompts("train")[0]
    score = replace(ready.task, right_at=0.5).score([episode_of(prompt, "12vn3vy")])[0]
    assert [reward for _, reward in score.part_rewards] == [-1.0, 1.0, 1.0, 1.0]
    assert score.value == 0.5
    failed = verified(replace(run, reward="own.py:fails"))
    [score] = failed.task.score([episode_of(prompt, "1vn8vy")])
    assert score.value is None
    assert score.error.startswith("proposal 2: ")
    with pytest.raises(SteelyardError, match=r"SPOC verifies each turn .* name it as module:function"):
        make_task(run, reward=lambda prompts, completions, **columns: [0.0] * len(completions))


def test_a_run_on_own_rows_learns_from_messages(here, capsys, tiny_model_dir):
    own = ["--model", str(tiny_model_dir("llama")), "--path", "q.jsonl"]
    marks = ["--verify", "c", "--accept", "a", "--reject", "b"]
    told(["train", "spoc", *own, *marks, *FEW.split(), "--output-dir", "run"], capsys)
    [row] = [json.loads(line) for line in (here / "run" / "metrics.jsonl").read_text().splitlines()]
    assert row["replay/errors"] == 0
    assert row["objective/messages"] >= 1.0
    assert -1.0 <= row["objective/message_reward"] <= 1.0
    measured = json.loads((here / "run" / "eval.jsonl").read_text().splitlines()[-1])
    assert measured["eval/reward/proposals"] >= 1.0
    plan = told(["train", "spoc", *own, *marks, "--max-proposals", "2", *FEW.split(), "--dry-run"], capsys)
    assert plan["settings"]["--max-proposals"] == 2
