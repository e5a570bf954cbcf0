"""Conversations from a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from steelyard.core import SteelyardError
from steelyard.data.conversations import Conversation, ConversationColumns

ROW = {"turns": ["hello", "a room"], "summary": "wants a room", "state": 0}


def write(place: Path, *rows: dict[str, Any]) -> str:
    file = place / "c.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return str(file)


def test_rows_in_order_with_or_without_states(tmp_path: Path) -> None:
    path = write(tmp_path, ROW, ROW | {"state": "four"})
    read = ConversationColumns().read(path, "--path")
    assert [one.state for one in read] == ["0", "four"]
    assert read[0] == Conversation(("hello", "a room"), "wants a room", "0")
    assert read[0].text == "hello\na room"
    bare = {"said": ["x"], "gist": "y", "state": None}
    (one,) = ConversationColumns("said", "gist").read(write(tmp_path, bare), "--path")
    assert one == Conversation(("x",), "y")


@pytest.mark.parametrize(("rows", "message"), [
    ([ROW | {"turns": "hello"}], "line 1: column 'turns' is 'hello'; write a list of texts"),
    ([ROW | {"summary": " "}], "line 1: column 'summary' is ' '; write a text"),
    ([ROW | {"state": [1]}], "line 1: column 'state' is [1]; write a text or a whole number"),
    ([{"turns": ["a"]}], "line 1: there is no column 'summary'"),
    ([ROW, ROW | {"state": None}], "1 of 2 rows have a state; write one in every row, or in none"),
])  # fmt: skip
def test_wrong_rows(rows: list[dict[str, Any]], message: str, tmp_path: Path) -> None:
    with pytest.raises(SteelyardError) as error:
        ConversationColumns().read(write(tmp_path, *rows), "--path")
    assert message in str(error.value)


def test_no_file() -> None:
    with pytest.raises(SteelyardError, match="--path: is missing; name a"):
        ConversationColumns().read("", "--path")
