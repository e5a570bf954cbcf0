"""A disk that fills up or turns read-only, files that are cut short: noticed at once, and nothing stored is lost."""

import hashlib
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.harm import (
    PATIENCE,
    may_mount,
    resume_command,
    rows,
    small_disk,
    start_command,
    until,
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    if not may_mount(tmp_path / "probe"):
        pytest.skip("this user may not mount a file system")
    with small_disk(tmp_path / "disk", 16) as place:
        yield place


def stored(run: Path) -> set[tuple[str, int]]:
    with sqlite3.connect(run / "replay.sqlite") as file:
        query = "select name, sample from rows join prompts on prompts.id = rows.prompt"
        return set(file.execute(query).fetchall())


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True, capture_output=True)


@pytest.mark.parametrize("runtime", ["local", pytest.param("inline", marks=pytest.mark.long)])
def test_a_full_disk_ends_the_run_with_one_line_and_with_room_it_goes_on(disk: Path, runtime: str) -> None:
    run = disk / "run"
    process = start_command(run, runtime=runtime, max_steps=16, save_steps=2, keep_checkpoints=100)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    last = err.strip().splitlines()[-1]
    assert last.startswith("steelyard: ")
    assert "No space left" in last or "full" in last
    before = stored(run)
    assert before
    remount(disk, "size=200m")
    done = resume_command(run)
    assert done.returncode == 0, done.stderr
    assert [row["step"] for row in rows(run, "metrics")] == list(range(1, 17))
    assert runtime == "inline" or before <= stored(run), "the inline runtime draws the same again"


@pytest.mark.long
def test_a_disk_that_turns_read_only_is_one_line(disk: Path) -> None:
    run = disk / "run"
    process = start_command(run, max_steps=10_000, save_steps=0)
    until(lambda: len(rows(run, "metrics")) >= 3 or process.poll() is not None, "three steps")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=False, capture_output=True)
    if not read_only(disk):  # files that are open for writing keep a disk from turning; make them refuse instead
        process.kill()
        process.communicate(timeout=PATIENCE)
        pytest.skip("a disk with open files does not turn read-only here")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert err.strip().splitlines()[-1].startswith("steelyard: ")


def read_only(disk: Path) -> bool:
    try:
        (disk / "probe").write_text("")
    except OSError:
        return True
    return False


@pytest.fixture(scope="module")
def cut_short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inline run that was stopped half way, with two checkpoints."""
    run = tmp_path_factory.mktemp("cut") / "run"
    process = start_command(run, runtime="inline", max_steps=20, save_steps=3)
    until(lambda: len(rows(run, "metrics")) >= 10 or process.poll() is not None, "ten steps")
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert len(list(run.glob("checkpoint-*"))) == 2
    return run


@pytest.fixture
def broken(cut_short: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(cut_short, tmp_path / "broken"))


def newest(run: Path) -> Path:
    return max(run.glob("checkpoint-*"), key=lambda path: int(path.name.removeprefix("checkpoint-")))


def contents(directory: Path) -> dict[str, str]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path): hashlib.blake2b(path.read_bytes()).hexdigest() for path in files}


def shorten(file: Path) -> None:
    with file.open("r+b") as handle:
        handle.truncate(file.stat().st_size // 2)


@pytest.mark.parametrize(
    "file",
    ["learner.safetensors", *(pytest.param(name, marks=pytest.mark.long) for name in ("state.json", "manifest.json"))],
)
def test_a_truncated_checkpoint_is_passed_over_and_named(broken: Path, file: str) -> None:
    shorten(newest(broken) / file)
    done = resume_command(broken)
    assert done.returncode == 0, done.stderr
    assert [row["step"] for row in rows(broken, "metrics")] == list(range(1, 21))
    assert file in done.stderr


def test_without_a_whole_checkpoint_nothing_is_touched(broken: Path) -> None:
    for checkpoint in broken.glob("checkpoint-*"):
        shorten(checkpoint / "learner.safetensors")
    before = contents(broken)
    done = resume_command(broken)
    assert done.returncode == 2
    assert "no checkpoint is whole" in done.stderr
    assert done.stderr.count("\n") == 1
    assert contents(broken) == before


@pytest.mark.parametrize("how", ["truncated", "overwritten", "missing"])
def test_a_damaged_buffer_is_refused_and_left_as_it_is(broken: Path, how: str) -> None:
    file = broken / "replay.sqlite"
    for rest in broken.glob("replay.sqlite-*"):
        rest.unlink()
    if how == "truncated":
        shorten(file)
    elif how == "overwritten":
        file.write_bytes(b"not a database" * 1000)
    else:
        file.unlink()
    before = file.read_bytes() if file.exists() else None
    done = resume_command(broken)
    assert done.returncode == 2, done.stderr
    assert "replay.sqlite" in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert (file.read_bytes() if file.exists() else None) == before
    # ... and the rows are still all there: whoever restores the file can go on.
    assert len(rows(broken, "metrics")) >= 10
