from pathlib import Path

import pytest

from steelyard.core import SteelyardError
from steelyard.runtime.run_dir.truncate import cut


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    (tmp_path / "metrics.jsonl").write_text('{"a": 1}\n{"a": 2}\n{"a":')
    (tmp_path / "timing.jsonl").write_text('{"b": 1}\n')
    (tmp_path / "samples.jsonl").write_text('{"c": 1}\n')
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_files_are_cut_to_size_and_later_ones_removed(rows: Path) -> None:
    cut(rows, {"metrics.jsonl": 9, "timing.jsonl": 9})
    assert (rows / "metrics.jsonl").read_text() == '{"a": 1}\n'
    assert sorted(p.name for p in rows.iterdir()) == ["config.json", "metrics.jsonl", "timing.jsonl"]


def test_nothing_was_written_before_the_checkpoint(rows: Path) -> None:
    cut(rows, {"metrics.jsonl": 0, "eval.jsonl": 0})
    assert (rows / "metrics.jsonl").read_text() == ""
    assert sorted(p.name for p in rows.iterdir()) == ["config.json", "metrics.jsonl"]


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"timing.jsonl": 10}, "has 9 bytes of 10: rows are lost"),
        ({"eval.jsonl": 1}, "has 0 bytes of 1: rows are lost"),
        ({"metrics.jsonl": 8}, "has no row that ends at byte 8"),
        ({"metrics.jsonl": -1}, "has 23 bytes of -1"),
        ({"../metrics.jsonl": 9}, "no file of rows"),
        ({"/etc/x.jsonl": 0}, "no file of rows"),
        ({"config.json": 0}, "no file of rows"),
    ],
)
def test_what_does_not_fit_is_one_line_and_nothing_is_cut(rows: Path, sizes: dict[str, int], says: str) -> None:
    before = {p.name: p.read_bytes() for p in rows.iterdir()}
    with pytest.raises(SteelyardError, match=says):
        cut(rows, {"metrics.jsonl": 9} | sizes)
    assert {p.name: p.read_bytes() for p in rows.iterdir()} == before


def test_a_link_is_not_followed(rows: Path) -> None:
    (rows / "metrics.jsonl").rename(rows / "elsewhere")
    (rows / "metrics.jsonl").symlink_to(rows / "elsewhere")
    with pytest.raises(SteelyardError, match="no file of rows"):
        cut(rows, {"metrics.jsonl": 9})
    assert (rows / "elsewhere").stat().st_size == 23
