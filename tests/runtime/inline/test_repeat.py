import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from simulated import SMALL, rows

from steelyard.core import FaultError, SteelyardError
from steelyard.reward import reward_function
from steelyard.runtime import Inline, Records, Run, VirtualClock, describe
from steelyard.runtime.inline.faults import Faults
from steelyard.runtime.inline.repeat import Divergence, Repeated, repeat
from steelyard.task import Enumerable

FAULTY = VirtualClock(faults=Faults(crash=0.2, lose=0.2, corrupt=0.2, verifier=0.2))
RUN = replace(SMALL, task=Enumerable(), num_searchers=2, save_steps=0, inline=FAULTY)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(RUN, tmp_path_factory.mktemp("repeat") / "run")


@pytest.fixture
def recorded(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "run")


def record(run: Run, directory: Path) -> Path:
    with Records(directory, config=describe(run, "custom")) as records:
        Inline(run, records).train()
    return directory


def change(directory: Path, event: int, **facts: Any) -> dict[str, Any]:
    """Rewrite one row of the log."""
    found = rows(directory, "events")
    found[event - 1] |= facts
    (directory / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))
    return found[event - 1]


def test_a_run_does_the_same_again(recorded: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in recorded.rglob("*")}
    assert repeat(recorded) == Repeated(len(rows(recorded, "events")), None)
    assert {path: path.stat().st_mtime_ns for path in recorded.rglob("*")} == before, "the run itself is left alone"


def test_the_first_divergence_is_shown(recorded: Path) -> None:
    true = rows(recorded, "events")[6]
    false = change(recorded, 7, state="0123456789abcdef")
    change(recorded, 9, clock=-1.0)
    assert repeat(recorded) == Repeated(6, Divergence(7, false, true))


def test_a_record_that_goes_on_past_the_end_differs(recorded: Path) -> None:
    log = recorded / "events.jsonl"
    log.write_bytes(log.read_bytes() + log.read_bytes().splitlines(keepends=True)[-1])
    found = repeat(recorded)
    assert found.divergence is not None
    assert found.divergence.event == found.events + 1 == len(rows(recorded, "events"))
    assert found.divergence.repeated is None


def test_a_torn_row_is_not_compared(recorded: Path) -> None:
    log = recorded / "events.jsonl"
    log.write_bytes(log.read_bytes()[:-9])
    assert repeat(recorded) == Repeated(len(log.read_bytes().splitlines()) - 1, None)


def test_a_run_that_failed_fails_again(tmp_path: Path) -> None:
    run = replace(RUN, inline=VirtualClock(faults=Faults(crash=0.9)))
    with pytest.raises(FaultError):
        record(run, tmp_path / "run")
    assert repeat(tmp_path / "run") == Repeated(len(rows(tmp_path / "run", "events")), None)


def test_another_seed_differs_at_the_first_batch(recorded: Path) -> None:
    config = json.loads((recorded / "config.json").read_text())
    config["run"]["seed"] = 1
    (recorded / "config.json").write_text(json.dumps(config))
    divergence = repeat(recorded).divergence
    assert divergence is not None
    assert divergence.event <= 4


def test_a_callable_has_to_be_given_again(tmp_path: Path) -> None:
    def brevity(prompts: list, completions: list, **columns: object) -> list[float]:
        return [-float(len(c)) for c in completions]

    run, reward = replace(RUN, inline=VirtualClock()), reward_function(brevity)
    config = describe(run, "custom") | {"callable_reward": True}
    with Records(tmp_path / "run", config=config) as records:
        Inline(run, records, reward).train()
    assert repeat(tmp_path / "run", reward).divergence is None
    with pytest.raises(SteelyardError, match="callable"):
        repeat(tmp_path / "run")


def test_what_cannot_be_repeated_is_said_in_one_line(recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(SteelyardError, match=r"config\.json: is missing"):
        repeat(tmp_path / "nowhere")
    config = (recorded / "config.json").read_text()
    (recorded / "config.json").write_text(config.replace('"inline",', '"local",'))
    with pytest.raises(SteelyardError, match="says --runtime local"):
        repeat(recorded)
    (recorded / "config.json").write_text("[]")
    with pytest.raises(SteelyardError, match="not what a run writes"):
        repeat(recorded)
    (recorded / "config.json").write_text(config)
    (recorded / "events.jsonl").write_text("not json\n")
    with pytest.raises(SteelyardError, match=r"events\.jsonl"):
        repeat(recorded)
    (recorded / "events.jsonl").unlink()
    with pytest.raises(SteelyardError, match=r"events\.jsonl: is missing"):
        repeat(recorded)
