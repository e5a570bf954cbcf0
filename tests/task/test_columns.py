"""Columns play the roles that settings give them, and mean nothing by their names."""

import json

import pytest

from steelyard.core import Prompt, SteelyardError, labels_of
from steelyard.curriculum import Dump
from steelyard.task import Rows
from steelyard.task.columns import Columns, number_domains

TOPICS = ("zoo", "algebra", "maps")
ROWS = [
    {"q": f"{i}+1=", "a": str(i + 1), "topic": TOPICS[i % 3], "domain": "a text", "prompt": "p", "answer": "none"}
    for i in range(30)
]
ROLES = Columns(prompt="q", answer="a", domain="topic")


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(file)


def test_each_role_has_its_column_and_the_others_keep_their_names(path, answered):
    with Rows(path, columns=ROLES) as task:
        prompt = task.prompts("train")[0]
        assert prompt.text == f"{int(prompt.columns['a']) - 1}+1="
        assert prompt.columns.keys() == {"a", "topic", "domain", "prompt", "answer"}
        assert (prompt.columns["answer"], prompt.columns["prompt"]) == ("none", "p")
        assert [s.value for s in task.score([answered(prompt, prompt.columns["a"])])] == [1.0]


def test_the_right_answer_is_also_called_answer_where_nothing_else_is(tmp_path):
    rows = [{"prompt": f"{i}", "target": i} for i in range(30)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = Rows(str(tmp_path / "rows.jsonl"), columns=Columns(answer="target"))
    assert all(p.columns["answer"] == p.columns["target"] == int(p.text) for p in task.prompts("train"))


def test_texts_are_numbered_in_alphabetical_order(path):
    task = Rows(path, columns=ROLES)
    assert task.domains == {"algebra": 0, "maps": 1, "zoo": 2}
    prompts = [*task.prompts("train"), *task.prompts("held-out")]
    assert {(p.columns["topic"], labels_of(p, ["domain"])["domain"]) for p in prompts} == set(task.domains.items())
    Dump().open(task.prompts("train"), seed=0).draw(3)


def test_a_column_called_domain_means_nothing(path):
    """It held text and ended the run, 46 seconds after a dry run that had passed."""
    task = Rows(path, columns=Columns(prompt="q", answer="a"))
    assert task.domains == {}
    assert all(labels_of(p, ["domain"]) == {} for p in task.prompts("train"))
    with pytest.raises(SteelyardError, match=r"rows\.jsonl, line \d+: has no column domain; .*--columns.domain"):
        Dump().open(task.prompts("train"), seed=0)


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ([3, 1, 3], {1: 1, 3: 3}),
        (["b", "a"], {"a": 0, "b": 1}),
        (["10", "9", 2], {"10": 0, 2: 1, "9": 2}),
        ([True, False], {False: 0, True: 1}),
        ([10**30], {10**30: 10**30}),
    ],
)
def test_numbers_of_domains(values, numbers):
    assert number_domains((f"row {i}", value) for i, value in enumerate(values)) == numbers


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "row 1: has no domain"),
        (float("nan"), "row 1: has no domain"),
        ([1], r"its domain is \[1\]"),
        (0.5, "0.5"),
    ],
)
def test_a_domain_that_is_none(value, says):
    with pytest.raises(SteelyardError, match=says):
        number_domains([("row 0", "a"), ("row 1", value)])


def test_a_domain_of_more_than_64_bits_is_refused_before_it_is_stored():
    with pytest.raises(SteelyardError, match="more than 64 bits"):
        labels_of(Prompt("p", "x", labels={"domain": 10**30}), ["domain"])


@pytest.mark.parametrize(
    ("roles", "says"),
    [
        (Columns(prompt="Q"), r"line 1: there is no Q; its columns are q, a.*--columns.prompt"),
        (Columns(prompt="q", answer="b"), "line 1: there is no b; .*--columns.answer"),
        (Columns(prompt="q", answer="a", domain="t"), "line 1: has no domain"),
        (Columns(prompt="q", answer="q"), "line 1: the prompt and the answer are both 'q'; .*--columns.answer"),
        (Columns(prompt="answer"), "line 1: the prompt and the answer are both 'answer'; .*--columns.answer"),
    ],
)
def test_a_role_for_a_column_that_is_not_there(path, roles, says):
    with pytest.raises(SteelyardError, match=says):
        Rows(path, columns=roles).prompts("train")
