"""A run of N steps equals a run killed at any moment and resumed: weights, rows of replay, and files, bit for bit."""

import shutil
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from simulated import RECIPES, SMALL, differences, film, reopened, resume, rows, train

from steelyard.core import Stopped
from steelyard.runtime import Inline, Records, Run
from steelyard.runtime.run_dir import checkpoint

pytestmark = pytest.mark.usefixtures("no_power_cuts")
EXHAUSTIVE = (
    "two searchers with lag",
    pytest.param("queue", marks=pytest.mark.long),
    pytest.param("faults", marks=pytest.mark.long),
)
SAMPLED = [name for name in RECIPES if name not in ("two searchers with lag", "long with faults")]


def check_resumes(run: Run, directory: Path, monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    """Film a run, and bring every so many copies to their end."""
    frames = film(run, directory, monkeypatch)
    for frame in frames[::every]:
        resume(run, frame)
        assert not differences(directory / "whole", frame), f"killed at moment {frame.name} of {len(frames)}"


@pytest.mark.parametrize("name", EXHAUSTIVE)
def test_killed_at_every_moment(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_resumes(RECIPES[name], tmp_path, monkeypatch, every=1)


@pytest.mark.parametrize("name", SAMPLED)
def test_killed_at_some_moments(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_resumes(RECIPES[name], tmp_path, monkeypatch, every=6)


@pytest.mark.long
def test_killed_for_real_again_and_again(tmp_path: Path) -> None:
    """SIGKILL inside two checkpoints, at an event, and at random times; then to its end."""
    name, script = "long with faults", Path(__file__).with_name("killed_runs.py")
    train(RECIPES[name], tmp_path / "whole")
    early, late = (f"{t:.3f}" for t in np.random.default_rng(3).uniform(0.1, 0.5, 2))
    moments = ["seal", early, "25", "rotate", late]
    command = [sys.executable, str(script), name, str(tmp_path / "killed"), *moments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    outcomes = [line.split(": ") for line in done.stdout.splitlines()]
    assert outcomes[:4] == [[moment, "-9"] for moment in moments[:4]], done.stderr
    assert outcomes[-1] == ["in peace", "0"], done.stderr
    assert not differences(tmp_path / "whole", tmp_path / "killed")


def test_a_signal_makes_a_checkpoint_between_two_steps(tmp_path: Path) -> None:
    run = replace(SMALL, save_steps=0)
    train(run, tmp_path / "whole")

    def ask(file: str, row: dict) -> None:
        if file == "events" and row["event"] == 8:
            signal.raise_signal(signal.SIGTERM)

    with Records(tmp_path / "stopped", ask, {}) as records, pytest.raises(Stopped, match="--resume") as stopped:
        Inline(run, records).train()
    assert stopped.value.exit_code == 128 + signal.SIGTERM
    assert len(rows(tmp_path / "stopped", "events")) == 8
    assert not differences(tmp_path / "whole", resume(run, tmp_path / "stopped"))


def test_without_a_checkpoint_it_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = replace(SMALL, save_steps=0)
    frames = film(run, tmp_path, monkeypatch)
    assert checkpoint.whole(frames[-1]) == (None, [])
    assert not differences(tmp_path / "whole", resume(run, frames[-1]))


def test_checkpoints_change_nothing(tmp_path: Path) -> None:
    for name, steps in (("never", 0), ("often", 1)):
        train(replace(SMALL, save_steps=steps), tmp_path / name)
    assert not differences(tmp_path / "never", tmp_path / "often")
    kept = sorted(path.name for path in (tmp_path / "often").glob("checkpoint-*"))
    assert kept == [f"checkpoint-{step}" for step in (SMALL.max_steps - 1, SMALL.max_steps)]


def test_a_damaged_checkpoint_costs_steps_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = replace(SMALL, save_steps=1)
    last = film(run, tmp_path, monkeypatch)[-1]
    newest, _ = checkpoint.whole(last)
    assert newest is not None
    (newest / "flight.msgpack").write_bytes(b"")
    older, [line] = checkpoint.whole(last)
    assert older is not None
    assert "flight.msgpack" in line
    assert not differences(tmp_path / "whole", resume(run, last))


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_restored_is_what_was_saved(name: str, tmp_path: Path) -> None:
    """Saved again at once, a restored run gives the same bytes, but for counters of 0, which replay may leave out."""
    run = replace(RECIPES[name], save_steps=2, keep_checkpoints=2)
    train(replace(run, max_steps=3), tmp_path / "run")
    shutil.rmtree(tmp_path / "run/checkpoint-3")
    made = tmp_path / "run/checkpoint-2"
    before = shutil.copytree(made, tmp_path / "before")
    with reopened(tmp_path / "run") as records, closing(Inline(run, records, checkpoint=made)) as inline:
        inline.begin()
        inline.save()
    names = sorted(path.name for path in before.iterdir())
    assert names == sorted(path.name for path in made.iterdir())
    unlike = [name for name in names if (before / name).read_bytes() != (made / name).read_bytes()]
    assert not {*unlike} - {"state.json", "manifest.json"}
    assert counted(before) == counted(made)


def counted(directory: Path) -> dict:
    state = checkpoint.read_state(directory)
    state["replay"]["counts"] = {name: count for name, count in state["replay"]["counts"].items() if count}
    return state
