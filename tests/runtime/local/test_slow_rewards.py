"""Rewards that take their time in real processes: they cost that time, and nobody is blamed for it."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.core import StallError
from steelyard.objective import VarGradTB
from steelyard.reward import reward_function
from steelyard.runtime import HeldOut, Local, Processes, Records, Run
from steelyard.task.arithmetic import Arithmetic

SMALL = Run(
    task=Arithmetic(problems=64, held_out=16), objective=VarGradTB(beta=0.1), model="steelyard/arithmetic", max_steps=1,
    num_prompts=2, num_generations=2, search_prompts=2, max_completion_length=16,
    evaluation=HeldOut(every=1, prompts=2, sampled_prompts=1, samples=2),
    local=Processes(search_deadline=2.0, deadline=10.0),
)  # fmt: skip
FUNCTIONS = """
import time

def slow(prompts, completions, **columns):
    time.sleep(4 * any(completions))
    return [float(len(c)) for c in completions]

def hang(prompts, completions, **columns):
    time.sleep(3600 * any(completions))
    return [1.0] * len(completions)
"""


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.long  # it waits for a slow reward, four times
def test_a_slow_reward_trips_no_other_deadline(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(FUNCTIONS)
    run = replace(SMALL, reward=f"{tmp_path}/mine.py:slow")
    with Records(tmp_path / "run") as records:
        summary = Local(run, records).train()
    assert (summary["steps"], summary["restarts"], summary["verifier_errors"]) == (1, 0, 0)
    assert not (tmp_path / "run/faults.jsonl").exists()
    assert rows(tmp_path / "run/eval.jsonl")[-1]["eval/errors"] == 0


@pytest.mark.long  # it waits for the learner's deadline
def test_a_reward_that_hangs_is_quarantined_by_its_name_and_the_searcher_lives(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(FUNCTIONS)
    run = replace(SMALL, reward=f"{tmp_path}/mine.py:hang", reward_timeout=3.0)
    late = r"mine[.]py:hang': no answer within 3 s"
    with Records(tmp_path / "run") as records, pytest.raises(StallError, match=late):
        Local(run, records).train()
    kept = rows(tmp_path / "run/quarantine.jsonl")
    assert kept
    assert all("mine.py:hang': no answer within 3 s" in str(row["error"]) for row in kept)
    assert not (tmp_path / "run/faults.jsonl").exists()


@pytest.mark.long  # it waits for a slow callable
def test_a_slow_callable_gets_nobody_killed_and_scores_the_evaluation_too(tmp_path: Path) -> None:
    seen: list[int] = []

    def slow(prompts: list, completions: list, **columns: object) -> list[float]:
        seen.append(len(completions))
        time.sleep(4)
        return [1.0] * len(completions)

    with Records(tmp_path / "run") as records:
        summary = Local(SMALL, records, reward_function(slow)).train()
    assert (summary["steps"], summary["restarts"]) == (1, 0)
    assert not (tmp_path / "run/faults.jsonl").exists()
    last = rows(tmp_path / "run/eval.jsonl")[-1]
    assert last["eval/accuracy"] == last["eval/reward_mean"] == 1.0
    assert "eval/verifier_accuracy" in last
    assert summary["accuracy_after"] == 1.0
    assert summary["verifier_accuracy_after"] == last["eval/verifier_accuracy"]
