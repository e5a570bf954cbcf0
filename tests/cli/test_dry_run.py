"""`steelyard train RECIPE --dry-run`: the plan on standard error, the object on --json, and nothing on the disk."""

import json

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


def test_roles_of_columns_and_line_breaks_on_the_command_line(call, tmp_path):
    rows = [{"q": f"{i}+1=", "a": str(i + 1), "topic": "ab"[i % 2]} for i in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    roles = ("--columns.prompt", "q", "--columns.answer", "a", "--columns.domain", "topic")
    model = ("--model", "steelyard/arithmetic", "--max-completion-length", 4)
    answer = call(
        "train", "rows", *model, "--path", tmp_path / "rows.jsonl", *roles, "--prompt-template", r"1\\\n{prompt}",
        "--dry-run", "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert answer.json["prompts"]["domains"] == {"a": 0, "b": 1}
    assert answer.json["settings"]["--prompt-template"] == "1\\\n{prompt}"
    assert answer.json["settings"]["--columns.domain"] == "topic"
    assert "domains: 0 a, 1 b" in answer.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("{", "it is not JSON"),
        ("[]", "it is not a JSON object"),
        ('{"tokenize": true}', "tokenize cannot be set"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ('{"a": 1}', "no prompt is a chat"),
    ],
)
def test_wrong_arguments_of_a_chat_template(call, words, says):
    answer = call("train", "arithmetic", "--chat-template-kwargs", words, "--dry-run")
    assert answer.code == 2
    assert f"--chat-template-kwargs: {says}" in answer.err
