import json
from pathlib import Path

from steelyard.report import draw_runs


def record(directory: Path, accuracies: list[float]) -> Path:
    directory.mkdir()
    evaluations = [
        {"step": i, "version": i, "eval/accuracy": a, "eval/styles": {"bare": 1 - a, "left": a}}
        for i, a in enumerate(accuracies)
    ]
    (directory / "eval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in evaluations))
    timing = [{"step": i, "seconds": 2.0 * i} for i in range(1, len(accuracies))]
    (directory / "timing.jsonl").write_text("".join(json.dumps(row) + "\n" for row in timing))
    return directory


def test_one_picture_of_many_seeds(tmp_path: Path) -> None:
    runs = [record(tmp_path / f"seed{i}", [0.1, 0.5, 0.9]) for i in range(6)]
    picture = draw_runs(runs, tmp_path / "all.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    other = draw_runs([record(tmp_path / "other", [0.1, 0.2, 0.3])], tmp_path / "other.png").read_bytes()
    assert picture != other
