"""Summaries of conversations: what the generator is asked, its first line, and rows of which it says nothing."""

from collections.abc import Sequence

import pytest

from steelyard.core import SteelyardError
from steelyard.data import ConversationSummaries, Question, Tools, records_of

ROWS = [{"turns": ["hello", "a room"], "state": "room"}, {"turns": ["silence"]}]


class Writer:
    name = "w"

    def __call__(self, questions: Sequence[Question], seed: int) -> list[str]:
        self.asked = [question.prompt for question in questions]
        return [" \n wants a room \nand more" if "room" in str(q.prompt) else " \n" for q in questions]


def test_by_hand() -> None:
    writer = Writer()
    rows = records_of((f"line {i}", row) for i, row in enumerate(ROWS, start=1))
    (found,) = ConversationSummaries(template="<{turns}>").build(rows, rows, Tools(0, writer))
    assert writer.asked == ["<hello\na room>", "<silence>"]
    assert found.fields == {**ROWS[0], "summary": "wants a room"}
    assert found.origin is not None
    assert found.origin.sources == (rows[0].id,)


def test_wrong_settings() -> None:
    with pytest.raises(SteelyardError, match=r"use a text with \{turns\}"):
        ConversationSummaries(template="x")
