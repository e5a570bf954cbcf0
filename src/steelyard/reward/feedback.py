"""Logged feedback: what was said to whom, and whether it was loved. Rows of a file, and the three parts of them.

The parts are by hash of the prompt, so completions of one prompt are on one side: rows to learn from, rows to calibrate
by, and as many rows to measure by.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from steelyard.core import hash_share, require
from steelyard.core.columns import Column, check_row, text_of
from steelyard.core.foreign_rows import with_prompt
from steelyard.core.json import JsonMapping
from steelyard.reward.scorer import Chat, Said

FEEDBACK = "feedback"
SALT = "feedback: "
"""Before each prompt where it is split: prompts that another split has held out are not all on one side of this one."""


class Feedback(NamedTuple):
    """What was said, and whether it was loved."""

    said: Said
    loved: bool
    where: str = ""
    """The file and line, for errors."""


@dataclass(frozen=True)
class FeedbackColumns:
    """Which column of a file plays which role; a column means nothing else by its name."""

    prompt: str = "prompt"
    """Column with the prompt, a text or chat messages."""
    completion: str = "completion"
    """Column with the completion."""
    feedback: str = FEEDBACK
    """Column with 1 or true where users loved it, and 0 or false where they did not say so; without one a column
    label of true and false."""


class Parts(NamedTuple):
    """Feedback to learn from, to calibrate by, and to measure by."""

    train: list[Feedback]
    calibrate: list[Feedback]
    measure: list[Feedback]


def feedback_of(rows: Sequence[tuple[str, JsonMapping]], where: str, columns: FeedbackColumns) -> list[Feedback]:
    """The feedback in the rows of a file, each with the name of its place. Equal rows stay: each was an event.

    Raises:
        SteelyardError: a column is missing, a prompt or a completion is no text, or feedback is neither 1 nor 0.
    """
    return [_feedback(row, f"{where}, {place}", columns) for place, row in rows]


def parts_of(feedback: Sequence[Feedback], share: float, where: str) -> Parts:
    """The three parts, of which the last two have `share` of the prompts between them.

    Raises:
        SteelyardError: everything in one of them was loved, or nothing.
    """
    parts = Parts([], [], [])
    for one in feedback:
        place = hash_share(SALT + _key(one.said.prompt))
        parts[0 if place >= share else 1 if place >= share / 2 else 2].append(one)
    for part, use in zip(parts, ("learn from", "calibrate by", "measure by"), strict=True):
        check_both(part, f"to {use}", where)
    return parts


def check_both(part: Sequence[Feedback], use: str, where: str) -> None:
    """Refuse rows that were all loved, or of which none was."""
    loved = sum(one.loved for one in part)
    what = f"of {len(part)} rows {use}, {loved} have feedback 1"
    hint = "give more rows, of both kinds and of several prompts, or another --held-out-share"
    require(0 < loved < len(part), what, where=where, hint=hint)


def _feedback(row: JsonMapping, where: str, columns: FeedbackColumns) -> Feedback:
    row = with_prompt(row, where, (columns.prompt,))
    if columns.feedback == FEEDBACK and isinstance(row.get("label"), bool):
        row = {FEEDBACK: row["label"], **row}
    check_row(row, [Column(columns.prompt, "prompt", setting="--columns.prompt")], where)
    completion = text_of(row, Column(columns.completion, setting="--columns.completion"), where)
    value = row.get(columns.feedback)
    what = f"column {columns.feedback!r} is {value!r:.40}" if columns.feedback in row else "there is no feedback"
    hint = "write 1 or 0, true or false, or name the column with --columns.feedback"
    require(isinstance(value, bool | int | float) and value in (0, 1), what, where=where, hint=hint)
    return Feedback(Said(row[columns.prompt], completion), bool(value), where)


def _key(prompt: str | Chat) -> str:
    return prompt if isinstance(prompt, str) else json.dumps(prompt, sort_keys=True)
