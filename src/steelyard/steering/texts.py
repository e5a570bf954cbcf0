"""Texts of a JSONL or Parquet file, split into those that are fitted to and those that are held out."""

from dataclasses import dataclass

from steelyard.core import hash_share, require
from steelyard.core.columns import Column, text_of
from steelyard.task.files import read_rows


@dataclass(frozen=True)
class Texts:
    """What was read of one file."""

    fit: list[str]
    held_out: list[str]
    merged: int
    """Texts that came again."""

    @property
    def all(self) -> list[str]:
        """Both parts."""
        return [*self.fit, *self.held_out]


def read_texts(path: str, flag: str, column: str, held_out: float) -> Texts:
    """The texts of a file, each once; a text's hash decides on which side it is.

    Args:
        path: JSONL or Parquet.
        flag: the setting that names it, for errors.
        column: which holds the texts.
        held_out: the share of texts that is not fitted to.

    Raises:
        SteelyardError: the file is missing or malformed, a row has no text, or one of the two sides is empty.
    """
    require(bool(path), "is missing", where=flag, hint=f"name a .jsonl or .parquet file with a column {column}")
    read = Column(column, setting="--column")
    rows = [text_of(row, read, f"{path}, {place}") for place, row in read_rows(path)]
    texts = [*dict.fromkeys(rows)]
    apart = [text for text in texts if hash_share(text) < held_out]
    fit = [text for text in texts if hash_share(text) >= held_out]
    what = f"{len(fit)} of its {len(texts)} texts are fitted to and {len(apart)} are held out"
    require(bool(fit) and bool(apart), what, where=path, hint="give more texts, or change --held-out")
    return Texts(fit, apart, len(rows) - len(texts))
