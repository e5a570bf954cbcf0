import json
from pathlib import Path

import pytest

from steelyard.core import SteelyardError
from steelyard.experiments.bench import score
from steelyard.experiments.bench.score import Score, measure, ratios, table


def row(system: str, seed: int, seconds: float | None, steps: float | None = 10.0) -> dict:
    return {"contest": "tuned", "system": system, "seed": seed, "seconds_to_80": seconds, "steps_to_80": steps,
            "completions_per_s": 100.0, "steps_per_s": 2.0, "accuracy_last": 0.9}  # fmt: skip


def test_ratios_pair_seeds_and_leave_out_what_was_never_reached():
    own = [row("local", 1, 2.0), row("local", 2, 4.0), row("local", 3, None)]
    other = [row("trl", 1, 3.0), row("trl", 2, None), row("trl", 3, 5.0)]
    assert ratios(own, other) == [1.5]


def test_the_table_has_a_line_for_each_system_and_the_ratios_below():
    rows = [row("local", 1, 2.0), row("local", 2, 4.0), row("trl", 1, 6.0), row("trl", 2, None)]
    columns, lines = table(rows)
    assert [line[0] for line in lines] == ["tuned: local", "tuned: trl", "tuned: trl / local, by seed"]
    assert lines[0][1] == "3 [2, 4]"
    assert lines[1][1] == "6 (1 never)"
    assert lines[2][1] == "3"
    assert all(len(line) == len(columns) for line in lines)


def test_a_system_that_never_gets_there_says_so():
    _, lines = table([row("local", 1, None, None), row("inline", 1, 2.0)])
    assert lines[0][1:3] == ["never", "never"]
    assert lines[-1][1] == "none"


@pytest.mark.parametrize("name", ["runs", "steps"])
def test_counts_begin_at_one(name: str):
    with pytest.raises(SteelyardError, match=f"--{name}: is 0"):
        Score(**{name: 0})


@pytest.mark.long
def test_one_round_of_ours(tmp_path: Path, monkeypatch):
    """Both runtimes, two steps: every row has its times, rates and a curve that begins with the shipped weights."""
    monkeypatch.setattr(score, "PROMPTS", 8)
    monkeypatch.setattr(score, "has_trl", lambda python: False)
    said = []
    rows = measure(Score(runs=1, steps=2, contests=("tuned",)), tmp_path, said.append)
    assert [(r["system"], r["seed"]) for r in rows] == [("local", 100), ("inline", 100)]
    for r in rows:
        assert [point[0] for point in r["curve"]] == [0, 1, 2]
        assert 0 < r["curve"][2][1] < 60
        assert r["completions_per_s"] > 0
        assert r["steps_per_s"] == pytest.approx(2 / r["curve"][2][1])
    assert rows[0]["curve"][0] == rows[1]["curve"][0]
    assert len(said) == 3
    assert "its rows are left out" in said[0]
    assert "--peer-python" in said[0]
    json.dumps(rows)
