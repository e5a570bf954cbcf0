import json

import pytest

from steelyard.cli import main, try_command
from steelyard.experiments.harness import evidence
from steelyard.experiments.harness.proof_seed import SeedResult


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("topp", "unknown method 'topp'; did you mean 'topr'"),
        ("shuffled", "shuffled: has no proof"),
        ("topr --seeds 3", "--seeds: [3] are no seeds for trials; try seeds from 900 on"),
        ("topr --seeds x", "--seeds: 'x' is no number"),
        ("topr --rates fast", "--rates: 'fast' is no number"),
        ("topr --rates 0", "--rates: a learning rate is above 0"),
        ("topr --set epochs", "--set: 'epochs' names no values; write FIELD=A,B"),
        ("topr --set epoch=3", "has a field 'epoch'; did you mean 'epochs'"),
        ("topr --set epochs=many", "epochs: refuses 'many'"),
        ("topr --arms top", "has no arm 'top'; did you mean 'topr'"),
    ],
)
def test_a_wrong_input_is_one_line_and_writes_nothing(words, line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["try", *words.split()]) == 2
    assert line in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_grid_is_measured_told_and_kept(capsys, tmp_path, monkeypatch):
    asked = []

    def measured(jobs, directory, at_a_time, say):
        asked.extend(jobs)
        return [one(job) for job in jobs]

    def one(job):
        gain = 0.4 if job.variation.rate == 3e-4 else 0.2
        value = {"topr": 0.2 + gain + job.seed / 1e4, "reinforce": 0.1, "positives-only": 0.3}
        arms = {arm: {"accuracy": v, "invalid": 0.01, "moved": 0.02} for arm, v in value.items()}
        return SeedResult(job.seed, job.quick, {}, arms, dict.fromkeys(arms, 1.0))

    monkeypatch.setattr(try_command, "carry_out", measured)
    monkeypatch.setattr(evidence, "in_source_tree", lambda: False)
    words = ["--arms", "topr,reinforce,positives-only", "--set", "epochs=5,6", "--rates", "1e-4,3e-4"]
    place = str(tmp_path / "out")
    assert main(["try", "topr", *words, "--seeds", "900,902", "--output-dir", place, "--json"]) == 0
    out = capsys.readouterr().out
    answer = json.loads(out.splitlines()[-1])
    assert len(asked) == 2 * 2 * 2
    assert [one["settings"] for one in answer["tried"]] == [{"epochs": "5"}, {"epochs": "6"}]
    first = answer["tried"][0]
    assert first["rates"] == {"topr": 3e-4, "reinforce": 1e-4, "positives-only": 1e-4}
    assert first["effects"]["TOPR is 30 points above untapered REINFORCE"] == pytest.approx([0.59, 0.5902])
    assert first["seeds_needed"] == 3
    assert "epochs=5 (2 seeds)" in out
    assert "together: 3 seeds a block" in out
    rows = (tmp_path / "out" / "trials" / "topr.jsonl").read_text().splitlines()
    assert len(rows) == 2 * 2 * 3
