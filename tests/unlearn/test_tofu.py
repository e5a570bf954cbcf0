"""The table by parts, beside the audit that it is made of; and the command."""

import json

import pytest
from scipy import stats

from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.policy import Policy
from steelyard.task.answered import AnsweredFile
from steelyard.unlearn import TOFU, audit
from steelyard.unlearn.two_sided_audit import question

ROWS = [
    {"prompt": f"{n}+1=", "answer": n + 1, "wrong": ["1", "2"], "part": ("forget", "retain")[n % 2]}
    for n in range(2, 7)
]


@pytest.fixture(scope="module")
def policy():
    return Policy.load("steelyard/arithmetic")


def placed(rows):
    return [(f"f.jsonl, line {i}", row) for i, row in enumerate(rows, start=1)]


def test_each_part_is_audited_by_itself(policy):
    table = TOFU(max_completion_length=6).audit(policy, placed(ROWS))
    assert [name for name, _ in table.rows] == ["forget", "retain"]
    assert [table.number(part, "questions") for part in ("forget", "retain")] == [3, 2]
    own = [question(policy, AnsweredFile().answered(row, "x")) for row in ROWS if row["part"] == "retain"]
    expected = audit(policy, own, max_tokens=6)
    for name in ("probability", "accuracy", "repetition", "choice", "truth"):
        assert table.number("retain", name) == pytest.approx(getattr(expected, name), abs=1e-12)
    known = [expected.probability, expected.accuracy, expected.truth]
    assert table.number("retain", "utility") == pytest.approx(stats.hmean(known) if all(known) else 0.0)


def test_without_wrong_answers_and_parts_there_is_one_row_with_less(policy):
    rows = [{name: row[name] for name in ("prompt", "answer")} for row in ROWS]
    table = TOFU(max_completion_length=6).audit(policy, placed(rows))
    assert [name for name, _ in table.rows] == ["all"]
    assert table.number("all", "choice") is None and table.number("all", "truth") is None
    assert table.number("all", "probability") > 0


@pytest.mark.parametrize(("rows", "message"), [
    ([], "tofu: there are no rows"),
    ([{"prompt": "1"}], "f.jsonl, line 1: there is no answer"),
    ([ROWS[0], {**ROWS[0], "wrong": []}], "it has 0 wrong answers, and the first row of part forget has 2"),
    ([{"prompt": "1" * 64, "answer": "1"}], "a prompt has 64 tokens, and the context ends"),
])  # fmt: skip
def test_what_cannot_be_audited_is_refused(policy, rows, message):
    with pytest.raises(SteelyardError, match=message):
        TOFU().audit(policy, placed(rows))


def test_the_command_prints_the_table_and_writes_it(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    words = ["audit", "tofu", "--model", "steelyard/arithmetic", "--data", "f.jsonl", "--max-completion-length", "6"]
    assert main([*words, "--output", "o.csv", "--json"]) == 0
    said = capsys.readouterr().out
    answer = json.loads(said.splitlines()[-1])
    assert answer["rows"]["forget"]["questions"] == 3
    assert answer["columns"]["probability"] == {"unit": "share", "help": "Mean p(right)."}
    assert "probability" in said and "forget" in said and "retain" in said
    head, first, _ = (tmp_path / "o.csv").read_text().splitlines()
    assert head.startswith(",questions (number),probability (share)")
    assert first.startswith("forget,3,")
    assert main([*words, "--output", "o.json"]) == 0
    assert json.loads((tmp_path / "o.json").read_text())["rows"] == answer["rows"]


@pytest.mark.parametrize(("words", "said"), [
    ([], "audit: ID is missing; name one of unlearndiffatk, experts-dont-cheat,"),
    (["tufu"], "unknown ID 'tufu'; did you mean 'tofu'"),
    (["tofu"], "--model: is missing"),
    (["tofu", "--model", "x"], "--data: is missing"),
    (["tofu", "--model", "x", "--data", "f.jsonl", "--output", "o.txt"], "--output: is 'o.txt'; name a file"),
    (["tofu", "--model", "x", "--data", "f.jsonl", "--output", "f.csv"], "--output: f.csv is there already"),
    (["tofu", "--model", "x", "--data", "no.jsonl"], "no.jsonl: there is no such file"),
    (["tofu", "--model", "x", "--data", "f.jsonl", "--max-completion-length", "0"], "max_completion_length: is 0"),
])  # fmt: skip
def test_bad_input_is_one_line(words, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("f.jsonl", "f.csv"):
        (tmp_path / name).write_text('{"prompt": "1", "answer": "1"}')
    assert main(["audit", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.csv", "f.jsonl"]
