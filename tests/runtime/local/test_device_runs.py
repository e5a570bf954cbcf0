"""Whole runs in processes of their own whose weights go through a device's memory; files stand in for that."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from faults.harm import SIGKILL, SMALL, at_step, local_run, rows, send
from steelyard.core import FaultError
from steelyard.runtime import Local, Processes
from steelyard.runtime.local import children
from steelyard.training import preflight, resume

RUN = replace(SMALL, max_steps=12, keep_checkpoints=100, local=Processes(weights="device"))


@pytest.fixture
def slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files are; child processes begin at `entry_with_files.py`."""
    place = tmp_path / "device"
    (place / "slots").mkdir(parents=True)
    entry = Path(__file__).with_name("entry_with_files.py")
    tests = str(Path(__file__).parents[2])

    def begin(words: list[str], env: dict[str, str], **options: Any) -> "subprocess.Popen[bytes]":
        assert words[1:3] == ["-m", "steelyard.runtime.local.entry"]
        paths = os.pathsep.join([tests, env.get("PYTHONPATH", "")])
        env = {**env, "STEELYARD_TEST_SLOTS": str(place), "PYTHONPATH": paths}
        return subprocess.Popen([sys.executable, str(entry), *words[3:]], env=env, **options)

    stand_in = SimpleNamespace(Popen=begin, DEVNULL=subprocess.DEVNULL, TimeoutExpired=subprocess.TimeoutExpired)
    monkeypatch.setattr(children, "subprocess", stand_in)
    monkeypatch.setattr(preflight, "_check_common_device", lambda _: None)
    return place


def opened(slots: Path) -> list[str]:
    """The file that each searcher opened."""
    return [line.split()[1] for line in (slots / "opened").read_text().splitlines()]


def test_a_searcher_that_dies_is_started_again_and_opens_the_same_memory(slots: Path, tmp_path: Path) -> None:
    (slots / "dies").touch()
    _, summary = local_run(RUN, tmp_path / "run", lambda local: None)
    assert summary["steps"] == 12
    assert summary["restarts"] == 1
    assert opened(slots) == ["slots-0", "slots-0"]
    metrics = rows(tmp_path / "run", "metrics")
    assert [row["step"] for row in metrics] == [*range(1, 13)]
    assert max(row["search/logp_mismatch_max"] or 0 for row in metrics) < 1e-3, "the engine has what was published"


@pytest.mark.long  # two runs in processes
def test_after_the_learners_death_the_resumed_run_has_memory_of_its_own(slots: Path, tmp_path: Path) -> None:
    def hurt(local: Local) -> None:
        at_step(local, 6)
        send(local.supervisor.children["learner"].process.pid, SIGKILL)

    with pytest.raises(FaultError, match=r"learner.*signal 9"):
        local_run(RUN, tmp_path / "run", hurt)
    assert resume(tmp_path / "run", report=False).summary["steps"] == 12
    assert opened(slots) == ["slots-0", "slots-1"]
    versions = [row["version"] for row in rows(tmp_path / "run", "metrics")]
    assert versions == sorted(set(versions))
