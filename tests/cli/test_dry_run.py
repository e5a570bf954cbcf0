"""`steelyard train RECIPE --dry-run`: the plan on standard error, the object on --json, and nothing on the disk."""

import pytest


def test_a_plan_and_nothing_else(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = call("train", "arithmetic", "--max-steps", 10, "--dry-run", "--beta", 0.3, "--json")
    assert answer.code == 0
    assert answer.json["dry_run"] is True
    assert answer.json["settings"]["--beta"] == 0.3
    assert answer.json["samples"]["episodes"] == 10 * 256
    assert answer.out.count("\n") == 1
    for said in ("nothing was trained, downloaded or written", "279,168 parameters", "memory: ", "staleness: "):
        assert said in answer.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--dry-run"], "RECIPE is missing"),
        (["nothing", "--dry-run"], "unknown RECIPE"),
        (["arithmetic", "--dry-run", "--max-steps", "0"], "--max-steps"),
        (["arithmetic", "--dry-run", "--colour", "red"], "colour"),
        (["--resume", "runs/x", "--dry-run"], "does not go with --resume"),
    ],
)
def test_a_wrong_command_is_one_line(call, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    answer = call("train", *words)
    assert answer.code == 2
    assert says in answer.err
    assert list(tmp_path.iterdir()) == []
