"""Whatever is wrong: one line `steelyard: WHERE: WHAT; MEND`, exit code 2, no traceback, and no file changed.

The inputs are a table, by kind, in `wrong/`. Where a mistake can only show when the run has rightly begun (a loss that
is not finite), the line comes last, after the run's progress, and the run's own directory stays. Rewards that are not
finite are failures of the verifier, never rewards: they end in a stall, which is exit code 1.
A port in use is tested where `watch` opens one: `tests/report/watch`.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.wrong.entry import Wrong
from cli.wrong.table import KINDS
from cli.wrong.world import NEW, contents
from steelyard.cli import main

EXECUTABLE = Path(sys.executable).with_name("steelyard")


def listed(*, shell: bool) -> list[Any]:
    """The table's rows, with the kind and a number as their name."""
    return [
        pytest.param(wrong, id=f"{kind} {number}")
        for kind, entries in KINDS.items()
        for number, wrong in enumerate(entries, start=1)
        if wrong.shell == shell
    ]


def harmed(world: Path, right: dict[str, str], wrong: Wrong) -> dict[str, str]:
    """The contents of the world after the harm."""
    if wrong.harm is None:
        return right
    wrong.harm(world)
    return contents(world)


def check_answer(world: Path, before: dict[str, str], wrong: Wrong, code: int | None, out: str, err: str) -> None:
    assert "Traceback" not in err, err
    assert err.endswith("\n")
    lines = err.splitlines()
    assert len(lines) == 1 or wrong.began, err
    check_line(lines[-1])
    assert wrong.said in lines[-1]
    assert code == wrong.code, err
    assert out == ""
    after = contents(world)
    assert {name: what for name, what in after.items() if not in_run(name, wrong.began)} == before
    assert not wrong.began or f"{wrong.began}/config.json" in after


def check_line(line: str) -> None:
    assert line.startswith("steelyard: ")
    where, _, rest = line.removeprefix("steelyard: ").partition(": ")
    what, _, hint = rest.partition("; ")
    assert all(part.strip() for part in (where, what, hint)), line
    assert len(line) < 700, "nobody reads on"


def in_run(name: str, run: str) -> bool:
    return bool(run) and (name == run or name.startswith(f"{run}/"))


@pytest.mark.parametrize("wrong", listed(shell=False))
def test_one_clear_line_and_no_file_changed(
    world: Path, right: dict[str, str], capfd: pytest.CaptureFixture[str], wrong: Wrong
) -> None:
    before = harmed(world, right, wrong)
    capfd.readouterr()
    code = main(wrong.line.split())
    check_answer(world, before, wrong, code, *capfd.readouterr())


@pytest.mark.parametrize("wrong", listed(shell=True))
def test_the_same_from_the_shell(world: Path, right: dict[str, str], wrong: Wrong) -> None:
    before = harmed(world, right, wrong)
    words = [EXECUTABLE, *wrong.line.split()]
    done = subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)
    check_answer(world, before, wrong, done.returncode, done.stdout, done.stderr)


def test_the_table_is_wide() -> None:
    assert all(len(entries) >= 5 for entries in KINDS.values()), {kind: len(entries) for kind, entries in KINDS.items()}
    every = [wrong for entries in KINDS.values() for wrong in entries]
    assert len(every) >= 120
    assert sum(wrong.shell for wrong in every) >= 10
    assert {wrong.code for wrong in every} == {1, 2}
    commands = {
        "train",
        "train --resume",
        "eval",
        "sample",
        "report",
        "replay",
        "repeat",
        "methods",
        "check",
        "study",
        "build-base",
    }
    assert all(any(wrong.line.startswith(command) for wrong in every) for command in commands)


def test_the_world_is_right(world: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What every entry spoils does work: nothing is refused for another reason than the one it names."""
    for line in (f"{NEW} --max-steps 1", "train --resume stopped", "eval run", "sample run", "report run",
                 "replay run --verify --export new.parquet", "repeat run",
                 "replay run --prompts 0 --load out.parquet", "eval forgot", "sample forgot", "report forgot",
                 "train --resume forgot --max-steps 3"):  # fmt: skip
        assert main(line.split()) == 0, capfd.readouterr().err


def test_an_unknown_gym_data_set(world: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("reasoning_gym")
    said = "gym.dataset: unknown data set 'chain_sums'; did you mean 'chain_sum'"
    wrong, before = Wrong("train gym --runtime inline --model llama --dataset chain_sums", said), contents(world)
    capfd.readouterr()
    check_answer(world, before, wrong, main(wrong.line.split()), *capfd.readouterr())


def test_debug_shows_the_traceback_above_the_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "arithmetik", "--debug"]) == 2
    err = capfd.readouterr().err
    assert err.startswith("Traceback")
    assert "in choose" in err
    check_line(err.splitlines()[-1])


def test_a_mistake_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("steelyard.cli.report_command.run", fail)
    with pytest.raises(ZeroDivisionError):
        main(["report", "x"])
