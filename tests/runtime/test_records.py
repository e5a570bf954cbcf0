import json
from pathlib import Path

import pytest

from steelyard.core import SteelyardError
from steelyard.runtime import Records


def test_rows_are_on_disk_as_soon_as_they_are_written(tmp_path: Path) -> None:
    shown = []
    records = Records(tmp_path / "run", lambda file, row: shown.append((file, row["step"])), {"seed": 3})
    assert not (tmp_path / "run").exists(), "nothing is written before the first row"
    records.write("metrics", {"step": 1})
    assert json.loads((tmp_path / "run/metrics.jsonl").read_text()) == {"step": 1}
    assert json.loads((tmp_path / "run/config.json").read_text()) == {"seed": 3}
    assert shown == [("metrics", 1)]
    records.close()


def test_nothing_existing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(SteelyardError, match="is not empty"):
        Records(tmp_path)
    with pytest.raises(SteelyardError, match="is a file"):
        Records(tmp_path / "kept.txt")
    assert (tmp_path / "kept.txt").read_text() == "mine"


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SteelyardError, match="cannot be made"):
        Records(tmp_path / "file" / "run")
