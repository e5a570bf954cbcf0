"""Ctrl-C, SIGTERM and kill -9 of the whole run, through the command."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from faults.harm import (
    PATIENCE,
    SIGINT,
    SIGKILL,
    SIGSTOP,
    SIGTERM,
    children_of,
    gone,
    resume_command,
    rows,
    send,
    start_command,
    until,
)


def wait_for_step(directory: Path, step: int, process: "subprocess.Popen[str]") -> None:
    until(lambda: process.poll() is not None or len(rows(directory, "metrics")) >= step, f"step {step}")
    assert process.poll() is None, process.communicate()[1]


@pytest.mark.parametrize(
    ("runtime", "number"),
    [("local", SIGINT), pytest.param("local", SIGTERM, marks=pytest.mark.long), ("inline", SIGTERM)],
)
def test_a_signal_makes_a_checkpoint_and_stops_within_ten_seconds(tmp_path: Path, runtime: str, number: int) -> None:
    run = tmp_path / "run"
    process = start_command(run, runtime=runtime, max_steps=30, save_steps=0)
    wait_for_step(run, 7, process)
    children = children_of(process.pid)
    send(process.pid, number)
    began = time.monotonic()
    _, err = process.communicate(timeout=PATIENCE)
    assert time.monotonic() - began < 10
    assert process.returncode == 128 + number, err
    assert f"stopped by {number.name}" in err
    assert f"steelyard train --resume {run}" in err
    assert "Traceback" not in err
    until(lambda: all(map(gone, children)), "the children to end", 10)
    (made,) = run.glob("checkpoint-*")
    assert int(made.name.removeprefix("checkpoint-")) >= 7
    done = resume_command(run)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["steps"] == 30
    assert [row["step"] for row in rows(run, "metrics")] == list(range(1, 31))


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    """With a learner that never answers, the first one would wait for its last word."""
    run = tmp_path / "run"
    process = start_command(run, max_steps=10_000)
    wait_for_step(run, 3, process)
    children = children_of(process.pid)
    for child in children:
        send(child, SIGSTOP)
    send(process.pid, SIGINT)
    time.sleep(1.0)
    assert process.poll() is None
    send(process.pid, SIGINT)
    began = time.monotonic()
    process.communicate(timeout=PATIENCE)
    assert time.monotonic() - began < 3
    assert process.returncode == 130
    assert all(map(gone, children))


@pytest.mark.long
def test_a_frozen_learner_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start_command(run, max_steps=10_000)
    wait_for_step(run, 12, process)
    children = children_of(process.pid)
    for child in children:
        send(child, SIGSTOP)
    send(process.pid, SIGTERM)
    began = time.monotonic()
    _, err = process.communicate(timeout=PATIENCE)
    assert time.monotonic() - began < 10
    assert process.returncode == 143
    assert "with a checkpoint of step" in err
    assert all(map(gone, children))


def test_kill_9_of_the_supervisor_leaves_no_process_and_loses_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start_command(run)
    wait_for_step(run, 12, process)
    children = children_of(process.pid)
    send(process.pid, SIGKILL)
    process.communicate(timeout=PATIENCE)
    until(lambda: all(map(gone, children)), "the children to notice", 30)
    done = resume_command(run)
    assert done.returncode == 0, done.stderr
    assert [row["step"] for row in rows(run, "metrics")] == list(range(1, 41))


@pytest.mark.long
def test_a_run_that_is_going_cannot_be_resumed_beside_itself(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start_command(run, max_steps=10_000)
    wait_for_step(run, 2, process)
    done = resume_command(run)
    send(process.pid, SIGKILL)
    process.communicate(timeout=PATIENCE)
    assert done.returncode == 2
    assert "another process" in done.stderr


def test_a_stop_before_the_first_step_leaves_nothing(tmp_path: Path) -> None:
    process = start_command(tmp_path / "run")
    # Not at the first child: that is git, which is asked for the commit before the run listens to signals.
    until(lambda: len(children_of(process.pid)) >= 3, "learner, evaluator and searcher to start")
    send(process.pid, SIGTERM)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    assert "begin again" in err
    assert not (tmp_path / "run").exists()
