"""`steelyard score`: a table, a line about all rows, and one JSON object with the rewards in the file's order."""

import json

import pytest

from steelyard.cli import main

ROWS = [
    {"prompt": "12+7-15+9=", "answer": 13, "completion": "13"},
    {"prompt": "12+7-15+9=", "answer": 13, "completion": "12"},
    {"prompt": "12+7-15+9=", "answer": 13, "completion": "13", "finish": "length"},
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(path)


def test_json_ends_with_the_rewards(file, capsys):
    assert main(["score", "arithmetic", "--completions", file, "--json"]) == 0
    out, err = capsys.readouterr()
    answer = json.loads(out.splitlines()[-1])
    assert answer["rewards"] == [1.0, 0.0, 0.0]
    assert [row["reward"] for row in answer["rows"]] == answer["rewards"]
    assert {"read", "read_from", "seconds", "error"} <= set(answer["rows"][0])
    assert "3 completions by the verifier of Arithmetic: reward mean 0.3333, 0 without a reward" in err


def test_the_table_is_as_short_as_one_asks(file, capsys):
    assert main(["score", "arithmetic", f"--completions={file}", "--rows", "1"]) == 0
    out, _ = capsys.readouterr()
    assert len(out.splitlines()) == 2


def test_rewards_of_ones_own_with_weights(file, tmp_path, capsys):
    (tmp_path / "other.py").write_text("def g(completions, answer, **_):\n    return [float(a) for a in answer]\n")
    words = ["--reward", f"{tmp_path}/other.py:g", f"--reward={tmp_path}/other.py:g=0.5"]
    assert main(["score", "arithmetic", "--completions", file, *words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["rewards"] == [19.5] * 3
    assert answer["rows"][0]["parts"] == {"g": 13.0, "g-2": 13.0}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "RECIPE is missing"),
        (["arithmetic"], "--completions: names no file"),
        (["arithmetic", "--completions"], "--completions: has no value"),
        (["arithmetic", "--completions", "nowhere.jsonl"], "nowhere.jsonl: there is no such file"),
        (["arithmetic", "--completions", "FILE", "--rows", "x"], "--rows: is 'x'"),
        (["arithmetic", "--completions", "FILE", "--reward", "nonsense"], "it names no function"),
        (["arithmetic", "--completions", "FILE", "--rewards", "m:f"], "unknown option --rewards"),
        (["arithmetic", "--completions", "FILE", "--reward"], "--reward: has no value"),
        (["arithmetic", "--completions", "FILE", "--reward", "m:f=much"], "'much' is no weight"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(words, says, file, capsys):
    assert main(["score", *(file if word == "FILE" else word for word in words)]) == 2
    out, err = capsys.readouterr()
    assert says in err
    assert len(err.splitlines()) == 1
    assert out == ""
