"""Texts without labels, beside those that have some: a file with a column of texts."""

from collections.abc import Iterable

from steelyard.core.columns import Column, text_of
from steelyard.task.files import read_rows


def further_texts(path: str, text_column: str, known: Iterable[str]) -> list[str]:
    """The texts of a file, each once, without those that are known.

    Raises:
        SteelyardError: the file is missing or malformed, or a row has no text.
    """
    column = Column(text_column, setting="--columns.text")
    texts = [text_of(row, column, f"{path}, {place}") for place, row in read_rows(path)]
    taken = {*known}
    return [text for text in dict.fromkeys(texts) if text not in taken]
