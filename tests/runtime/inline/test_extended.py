"""A run of N steps that is extended to M equals a run of M steps: weights, rows of replay and records, bit for bit.

One row of events.jsonl has another digest: that of the last event of the first part, since a run that ends there draws
no data for a next step.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from simulated import RECIPES, SMALL, differences, resume, rows, train

from steelyard.runtime import HeldOut, Records, describe
from steelyard.runtime.inline.repeat import repeat
from steelyard.runtime.run_dir import checkpoint
from steelyard.training.run_directory import extended

pytestmark = pytest.mark.usefixtures("no_power_cuts")


def events_that_differ(one: Path, other: Path) -> list[int]:
    pairs = zip(rows(one, "events"), rows(other, "events"), strict=True)
    return [a["event"] for a, b in pairs if a != b]


@pytest.mark.parametrize("name", RECIPES)
def test_extended_equals_configured_so_from_the_start(name: str, tmp_path: Path) -> None:
    run = RECIPES[name]
    short = replace(run, max_steps=run.max_steps // 2 + 1)
    train(run, tmp_path / "whole")
    train(short, tmp_path / "extended")
    last = rows(tmp_path / "extended", "events")[-1]["event"]
    resume(run, tmp_path / "extended")
    assert {*differences(tmp_path / "whole", tmp_path / "extended")} <= {"events.jsonl"}
    assert events_that_differ(tmp_path / "whole", tmp_path / "extended") in ([], [last])


@pytest.mark.parametrize("every", [1, 2, 3])
def test_evaluations_are_those_of_the_longer_run(tmp_path: Path, every: int) -> None:
    """The last weights of the first part are evaluated in the whole run only where their turn comes."""
    run = replace(SMALL, evaluation=HeldOut(every=every, prompts=2, sampled_prompts=1, samples=2))
    train(run, tmp_path / "whole")
    train(replace(run, max_steps=2), tmp_path / "extended")
    assert [row["step"] for row in rows(tmp_path / "extended", "eval")][-1] == 2
    resume(run, tmp_path / "extended")
    assert rows(tmp_path / "extended", "eval") == rows(tmp_path / "whole", "eval")
    assert rows(tmp_path / "extended", "samples") == rows(tmp_path / "whole", "samples")


def test_the_last_step_makes_a_checkpoint_unless_there_are_to_be_none(tmp_path: Path) -> None:
    for name, steps in (("sparse", 100), ("never", 0)):
        train(replace(SMALL, save_steps=steps), tmp_path / name)
    found, _ = checkpoint.whole(tmp_path / "sparse")
    assert found is not None
    assert found.name == f"checkpoint-{SMALL.max_steps}"
    assert checkpoint.whole(tmp_path / "never") == (None, [])


def test_a_run_that_was_extended_twice_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEELYARD_MODULES", "simulated")
    directory = tmp_path / "run"
    first = replace(SMALL, max_steps=2)
    with Records(directory, config=describe(first, "small")) as records:
        records.write_json("result.json", {})
    (directory / "result.json").unlink()
    train_into(first, directory)
    for steps in (3, 5):
        (directory / "result.json").write_text("{}")
        (directory / "config.json").write_text(json.dumps(extended(directory, steps)))
        resume(replace(SMALL, max_steps=steps), directory)
    assert json.loads((directory / "config.json").read_text())["ended_before"] == [2, 3]
    found = repeat(directory)
    assert found.divergence is None
    assert found.events == len(rows(directory, "events"))


def train_into(run, directory: Path) -> None:
    """A whole run in a directory that has its config.json already."""
    resume(run, directory)
