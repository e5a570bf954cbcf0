"""Runs that commit b428305 wrote and that were killed after step 5 go on today: settings, states and files are read.

`enumerable` with adapters of rank 1, whose files are small, in both runtimes; of three other recipes the settings.
"""

import json
import tarfile
from pathlib import Path

import pytest

from steelyard.core import decode
from steelyard.runtime import Run
from steelyard.training import resume

STORED = Path(__file__).with_name("stored")


def rows(directory: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (directory / f"{name}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("runtime", ["inline", pytest.param("local", marks=pytest.mark.long)])
def test_a_run_of_an_earlier_version_goes_on_to_its_end(runtime: str, tmp_path: Path) -> None:
    with tarfile.open(STORED / f"enumerable-{runtime}.tar.xz") as stored:
        stored.extractall(tmp_path, filter="data")
    before = rows(tmp_path / "run", "metrics")
    assert [row["step"] for row in before] == [1, 2, 3, 4, 5]
    result = resume(tmp_path / "run", report=False)
    assert result.summary["steps"] == 6
    after = rows(tmp_path / "run", "metrics")
    assert [row["step"] for row in after] == [1, 2, 3, 4, 5, 6]
    assert after[:3] == before[:3], "what the checkpoint of step 3 counts on stays as it was"
    assert after[-1]["replay/unknown_version"] == 0
    versions = [row["version"] for row in after]
    assert versions == sorted({*versions})
    assert rows(tmp_path / "run", "eval")[-1]["step"] == 6


@pytest.mark.parametrize("recipe", ["arithmetic", "preference", "red-team"])
def test_settings_of_an_earlier_version_are_read(recipe: str) -> None:
    stored = json.loads((STORED / f"{recipe}.json").read_text())
    run = decode(stored["run"], Run)
    assert (run.runtime, run.max_steps, run.model) == ("inline", 8, stored["run"]["model"])
    assert run.max_logp_mismatch == stored["run"]["parity_bound"]
