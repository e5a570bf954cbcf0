"""The right answer of an episode, and the part of a text that follows a marker (GSM8K writes `... #### 42`)."""

from steelyard.core import Episode, SteelyardError, suggest

MARKER = "####"


def after(text: str, marker: str) -> str | None:
    """What follows the last `marker`, or None where there is none."""
    _, found, tail = text.rpartition(marker)
    return tail.strip() if found else None


def gold_of(episode: Episode, column: str) -> str:
    """The right answer, from the prompt's columns; of a worked solution the part after its last `####`.

    Raises:
        SteelyardError: the prompt has no such column, or it is empty.
    """
    columns = episode.prompt.columns
    if columns.get(column) is None:
        where = f"column {column!r} of prompt {episode.prompt.id}"
        raise SteelyardError("there is no right answer", where=where, hint=suggest(column, columns))
    text = str(columns[column])
    tail = after(text, MARKER)
    return text.strip() if tail is None else tail
