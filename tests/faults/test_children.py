"""Searchers, evaluator and learner die and hang, for real."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from faults.harm import SIGKILL, SIGSTOP, SMALL, at_step, gone, local_run, rows, send, until
from steelyard.core import FaultError, StallError
from steelyard.runtime import Local, Processes, Restarts
from steelyard.training import resume


def stored(directory: Path) -> list[tuple[str, int]]:
    """(prompt, sample) of all that was ever accepted and is still in the file."""
    import sqlite3

    with sqlite3.connect(f"file:{directory}/replay.sqlite?mode=ro", uri=True) as file:
        return file.execute("select name, sample from rows join prompts on prompts.id = rows.prompt").fetchall()


def searching(local: Local) -> bool:
    return any(worker.owed() for worker in local.coordinator.of("searcher"))


def test_a_killed_searcher_and_evaluator_are_started_again(tmp_path: Path) -> None:
    """The run completes, with the faults on record, and no sample was drawn twice."""
    run = replace(SMALL, num_searchers=2, keep_checkpoints=100)

    def hurt(local: Local) -> None:
        at_step(local, 3)
        send(local.pids[0], SIGKILL)
        send(local.supervisor.children["evaluator"].process.pid, SIGKILL)

    local, summary = local_run(run, tmp_path / "run", hurt)
    assert summary["steps"] == 40
    assert summary["restarts"] == 2
    faults = rows(tmp_path / "run", "faults")
    assert {row["who"].split(" (")[0] for row in faults} == {"searcher 0", "evaluator"}
    assert all("killed by signal 9" in row["why"] for row in faults)
    pairs = stored(tmp_path / "run")
    assert len(pairs) == len(set(pairs)) > 0
    assert [row["step"] for row in rows(tmp_path / "run", "eval")][-1] == 40
    assert all(gone(child.process.pid) for child in local.supervisor.children.values())


@pytest.mark.long
def test_a_frozen_searcher_is_killed_and_its_work_is_drawn_again(tmp_path: Path) -> None:
    owed: list[tuple[int, int]] = []

    def hurt(local: Local) -> None:
        at_step(local, 3)
        child = local.supervisor.children["searcher 0"]
        send(child.process.pid, SIGSTOP)
        owed.extend((a.prompt, a.sample) for a in local.coordinator.workers["searcher 0"].owed())
        until(lambda: local.supervisor.children.get("searcher 0") is not child, "the frozen searcher to be given up")

    run = replace(SMALL, max_steps=120, keep_checkpoints=100)
    local, _ = local_run(run, tmp_path / "run", hurt)
    (fault,) = rows(tmp_path / "run", "faults")
    assert "said nothing for 3 s" in fault["why"]
    assert owed
    names = {p.id: i for i, p in enumerate(local.prompts)}
    drawn = {(names[prompt], sample) for prompt, sample in stored(tmp_path / "run")}
    waiting = {(a.prompt, a.sample) for worker in local.coordinator.of("searcher") for a in worker.owed()}
    lost = set(owed) - drawn - waiting
    duplicates = rows(tmp_path / "run", "metrics")[-1]["replay/duplicates"]
    assert len(lost) <= duplicates, "each was drawn again, stored, or gave way to its twin"


@pytest.mark.parametrize("frozen", [False, pytest.param(True, marks=pytest.mark.long)])
def test_the_learners_death_ends_the_run_with_its_name_and_the_run_can_go_on(tmp_path: Path, frozen: bool) -> None:
    run = replace(SMALL, keep_checkpoints=100, local=Processes(deadline=4.0))
    before: set[tuple[str, int]] = set()

    def hurt(local: Local) -> None:
        at_step(local, 12)
        send(local.supervisor.children["learner"].process.pid, SIGSTOP if frozen else SIGKILL)

    kind, words = (StallError, "coordinator waits for the learner") if frozen else (FaultError, "learner.*signal 9")
    with pytest.raises(kind, match=words):
        local_run(run, tmp_path / "run", hurt)
    before |= set(stored(tmp_path / "run"))
    result = resume(tmp_path / "run", report=False)
    assert result.summary["steps"] == 40
    metrics = rows(tmp_path / "run", "metrics")
    assert [row["step"] for row in metrics] == list(range(1, 41))
    versions = [row["version"] for row in metrics]
    assert versions == sorted(set(versions))
    assert versions[-1] > 40, "the versions of the lost steps are not used again"
    after = stored(tmp_path / "run")
    assert before <= set(after), "no accepted trajectory is lost"
    assert len(after) == len(set(after)), "none is drawn twice"


def test_failures_that_pile_up_end_the_run_with_their_cause(tmp_path: Path) -> None:
    run = replace(SMALL, max_steps=10_000, restarts=Restarts(limit=1, backoff=0.1))

    def hurt(local: Local) -> None:
        for number in range(2):
            until(
                lambda n=number: local.coordinator.failures.total == n and local.coordinator.begun and searching(local),
                "a searcher at work",
            )
            send(local.pids[0], SIGKILL)

    with pytest.raises(FaultError, match=r"2 failures within 300 s: searcher 0 was killed by signal 9") as caught:
        local_run(run, tmp_path / "run", hurt)
    assert caught.value.exit_code == 1


def test_an_exception_in_a_searcher_is_shown_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task with a mistake of its own: its traceback is on standard error, its last line in the message."""
    (tmp_path / "brittle_task.py").write_text(
        "from dataclasses import dataclass\n"
        "from steelyard.core import method\n"
        "from steelyard.task.arithmetic import Arithmetic\n"
        "@method('brittle-task')\n"
        "@dataclass(frozen=True)\n"
        "class Brittle(Arithmetic):\n"
        "    def score(self, episodes):\n"
        "        raise ZeroDivisionError('brittle')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    import brittle_task  # pyright: ignore[reportMissingImports]

    run = replace(SMALL, task=brittle_task.Brittle(problems=64, held_out=16), restarts=Restarts(limit=0))
    with pytest.raises(FaultError, match="ZeroDivisionError: brittle"):
        local_run(run, tmp_path / "run", lambda local: None)
    assert json.loads((tmp_path / "run/config.json").read_text())["run"]["restarts"]["limit"] == 0
