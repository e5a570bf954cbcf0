"""JSON as Python holds it: rows of records, states in checkpoints, settings in files, messages between processes."""

import json
from collections.abc import Mapping
from typing import Any

from steelyard.core.errors import SteelyardError, require

JsonObject = dict[str, Any]
"""An object of JSON: names of numbers, texts, booleans, nulls, and of lists and objects of the same."""
JsonMapping = Mapping[str, Any]
"""The same, to read only."""


def check_keys(text: str, where: str) -> None:
    """Refuse JSON with a key that stands twice in one object, at any depth: readers keep the last value unasked.

    Args:
        text: JSON; NaN and Infinity, which Python writes, may stand in it.
        where: the file's line or the setting that errors name.

    Raises:
        SteelyardError: a key stands twice, or the text is nested too deeply to look.
        ValueError: it is not JSON.
    """

    def check(pairs: list[tuple[str, object]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            require(key not in seen, f"the key {key!r:.80} stands twice", where=where, hint="leave one of them out")
            seen.add(key)

    try:
        json.loads(text, object_pairs_hook=check, parse_int=str)
    except RecursionError as error:
        hint = "write the inner part as a text"
        raise SteelyardError("it is nested too deeply", where=where, hint=hint) from error


def check_json(row: JsonMapping, where: str) -> None:
    """See that a row can be written as JSON and read again as it is.

    Args:
        row: column -> value.
        where: the row's place, for errors.

    Raises:
        SteelyardError: a column holds what JSON has no word for, such as a date, or a number that is not finite.
    """
    for name, value in row.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            what = f"column {name!r} holds what JSON has not ({error})"
            raise SteelyardError(what, where=where, hint="write it as a text, or leave it out") from error
