import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from steelyard.core import FaultError, Sampling, SteelyardError, Trajectory
from steelyard.runtime.run_dir.records import QUARANTINE, Records, check_output


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def names(directory: Path) -> list[str]:
    return sorted(p.name for p in directory.iterdir())


def contents(directory: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in directory.iterdir()}


def fail(monkeypatch: pytest.MonkeyPatch, name: str, code: int = errno.ENOSPC) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, name, failing)


# A fresh run


def test_rows_are_on_disk_as_soon_as_they_are_written(tmp_path: Path) -> None:
    shown = []
    records = Records(tmp_path / "run", lambda file, row: shown.append((file, row["step"])), {"seed": 3})
    assert not (tmp_path / "run").exists(), "nothing is written before the first row"
    records.write("metrics", {"step": 1})
    assert read(tmp_path / "run/metrics.jsonl") == [{"step": 1}]
    assert json.loads((tmp_path / "run/config.json").read_text()) == {"seed": 3}
    assert shown == [("metrics", 1)]
    records.close()


def test_begin_makes_the_directory_once(tmp_path: Path) -> None:
    with Records(tmp_path / "a/run", config={"seed": 3}) as records:
        records.begin()
        records.begin()
        records.write("metrics", {"step": 1})
        assert names(tmp_path / "a/run") == [".lock", "config.json", "metrics.jsonl"]


def test_a_run_that_fails_before_it_begins_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Records(tmp_path / "run"):
        raise RuntimeError
    assert names(tmp_path) == []


def test_nothing_existing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(SteelyardError, match="is not empty"):
        Records(tmp_path)
    with pytest.raises(SteelyardError, match="is a file"):
        Records(tmp_path / "kept.txt")
    assert (tmp_path / "kept.txt").read_text() == "mine"


def test_two_runs_that_begin_at_once_do_not_share_a_directory(tmp_path: Path) -> None:
    first, second = Records(tmp_path / "run", config={"seed": 1}), Records(tmp_path / "run", config={"seed": 2})
    first.write("metrics", {"step": 1})
    with pytest.raises(SteelyardError, match="is being written by another process"):
        second.write("metrics", {"step": 1})
    first.close()
    before = contents(tmp_path / "run") | {".lock": b""}
    with pytest.raises(SteelyardError, match="is not empty"):
        second.write("metrics", {"step": 1})
    assert contents(tmp_path / "run") | {".lock": b""} == before


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SteelyardError, match="cannot be made"):
        Records(tmp_path / "file" / "run")
    with pytest.raises(SteelyardError, match=r"cannot be written \(File name too long\)"):
        check_output(tmp_path / ("x" * 300))


def test_measurements_that_are_not_finite_are_null(tmp_path: Path) -> None:
    with Records(tmp_path / "run") as records:
        records.write("metrics", {"a": float("nan"), "b": [float("inf"), 1.0]})
        records.write_json("result.json", {"a": float("-inf")})
    assert read(tmp_path / "run/metrics.jsonl") == [{"a": None, "b": [None, 1.0]}]
    assert json.loads((tmp_path / "run/result.json").read_text()) == {"a": None}


# A run that goes on


@pytest.fixture
def stopped(tmp_path: Path) -> tuple[Path, dict[str, int]]:
    """A run that was killed two rows after its checkpoint, in the middle of the third."""
    run_dir = tmp_path / "run"
    with Records(run_dir, config={"seed": 3}) as records:
        records.write("metrics", {"step": 1})
        records.write("metrics", {"step": 2})
        records.write("timing", {"step": 2})
        sizes = records.sizes()
        records.write("metrics", {"step": 3})
        records.write("eval", {"step": 3})
    with (run_dir / "metrics.jsonl").open("a") as file:
        file.write('{"st')
    return run_dir, sizes


def test_sizes_are_those_of_whole_rows(stopped: tuple[Path, dict[str, int]]) -> None:
    assert stopped[1] == {"metrics.jsonl": 26 - 2, "timing.jsonl": 12}
    with Records(stopped[0].parent / "other") as records:
        assert records.sizes() == {}, "there is nothing before the run begins"


def test_rows_after_the_checkpoint_are_written_again(stopped: tuple[Path, dict[str, int]]) -> None:
    run_dir, sizes = stopped
    config = (run_dir / "config.json").read_bytes()
    with Records(run_dir, config={"seed": 4}, resume=sizes) as records:
        assert records.sizes() != sizes, "what cannot be resumed stays as it was"
        records.begin()
        assert records.sizes() == sizes
        records.write("metrics", {"step": 3})
    assert [row["step"] for row in read(run_dir / "metrics.jsonl")] == [1, 2, 3]
    assert names(run_dir) == [".lock", "config.json", "metrics.jsonl", "timing.jsonl"]
    assert (run_dir / "config.json").read_bytes() == config


def test_resuming_without_a_checkpoint_begins_again(stopped: tuple[Path, dict[str, int]]) -> None:
    with Records(stopped[0], resume={}) as records:
        records.write("metrics", {"step": 1})
    assert names(stopped[0]) == [".lock", "config.json", "metrics.jsonl"]


def test_lost_rows_are_one_line_and_nothing_is_cut(stopped: tuple[Path, dict[str, int]]) -> None:
    run_dir, sizes = stopped
    os.truncate(run_dir / "timing.jsonl", 5)
    before = contents(run_dir)
    with pytest.raises(SteelyardError, match=r"timing\.jsonl: has 5 bytes of 12: rows are lost"):
        Records(run_dir, resume=sizes)
    assert contents(run_dir) == before
    (run_dir / "timing.jsonl").write_text('{"step": 2}\n')
    Records(run_dir, resume=sizes).close()


def test_a_run_is_resumed_by_one_process_at_a_time(stopped: tuple[Path, dict[str, int]]) -> None:
    run_dir, sizes = stopped
    before = contents(run_dir)
    with Records(run_dir, resume=sizes) as records:
        records.write("metrics", {"step": 3})
        code = "from pathlib import Path; from steelyard.runtime.run_dir.records import Records; "
        code += f"Records(Path({str(run_dir)!r}), resume={{}})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
        assert "is being written by another process" in done.stderr
        assert len(read(run_dir / "metrics.jsonl")) == 3
    assert contents(run_dir)["config.json"] == before["config.json"]


def test_a_run_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SteelyardError, match="is not a directory"):
        Records(tmp_path / "run", resume={})
    assert names(tmp_path) == []


# Disks that say no


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_says_no_at_the_beginning_is_wrong_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    for name in ("mkdir", "open", "fsync", "replace"):
        with monkeypatch.context() as patch, pytest.raises(SteelyardError, match="cannot be written") as found:
            fail(patch, name, code)
            Records(tmp_path / "run", config={"seed": 3}).write("metrics", {"step": 1})
        assert found.value.exit_code == 2
        assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [], f"{name} failed"


def test_a_disk_that_fills_up_is_a_fault_and_loses_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Records(tmp_path / "run") as records:
        records.write("metrics", {"step": 1})
        real = os.write
        with monkeypatch.context() as patch, pytest.raises(FaultError, match=r"metrics\.jsonl: cannot .*No space left"):
            left = iter([5])

            def nearly_full(descriptor: int, data: memoryview) -> int:
                taken = next(left, None)
                if taken is None:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return real(descriptor, data[:taken])

            patch.setattr(os, "write", nearly_full)
            records.write("metrics", {"step": 2})
        assert read(tmp_path / "run/metrics.jsonl") == [{"step": 1}], "no half row"
        records.write("metrics", {"step": 3})
    assert read(tmp_path / "run/metrics.jsonl") == [{"step": 1}, {"step": 3}]


def test_a_result_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Records(tmp_path / "run") as records:
        records.write("metrics", {"step": 1})
        with monkeypatch.context() as patch, pytest.raises(FaultError, match=r"result\.json: cannot be written"):
            fail(patch, "fsync")
            records.write_json("result.json", {"a": 1})
        with monkeypatch.context() as patch, pytest.raises(FaultError, match="cannot be written"):
            fail(patch, "fsync", errno.EIO)
            records.sizes()
        assert names(tmp_path / "run") == [".lock", "metrics.jsonl"]


# Quarantine


@pytest.fixture
def trajectory() -> Callable[..., Trajectory]:
    def trajectory(sample: int, reward: float | None = None, **info: object) -> Trajectory:
        zeros = np.zeros(2, np.float32)
        return Trajectory(
            "p1", np.zeros(2, np.int32), np.ones(2, bool), zeros, 7, "d" * 16, Sampling(), "stop",
            sample=sample, reward=reward, info=info,
        )  # fmt: skip

    return trajectory


def test_what_could_not_be_scored_is_kept_to_be_read(tmp_path: Path, trajectory: Callable[..., Trajectory]) -> None:
    shown: list[str] = []
    with Records(tmp_path / "run", lambda file, row: shown.append(file)) as records:
        records.quarantine([trajectory(0, 0.0), trajectory(1, error="time-out", completion="1+\ud800"), trajectory(2)])
    row = {"prompt_id": "p1", "version": 7, "read": None}
    assert read(tmp_path / "run/quarantine.jsonl") == [
        row | {"sample": 1, "error": "time-out", "completion": "1+\ud800"},
        row | {"sample": 2, "error": None, "completion": None},
    ]
    assert shown == [], "a watcher waits for rows with a step"


def test_quarantine_is_bounded_over_the_whole_run(tmp_path: Path, trajectory: Callable[..., Trajectory]) -> None:
    with Records(tmp_path / "run") as records:
        records.quarantine([trajectory(i) for i in range(QUARANTINE - 1)])
        sizes = records.sizes()
    with Records(tmp_path / "run", resume=sizes) as records:
        records.quarantine([trajectory(i) for i in range(9)])
    assert len(read(tmp_path / "run/quarantine.jsonl")) == QUARANTINE
