"""Scores of texts that a scorer was asked for once. Checkpoints keep them, so a resume asks for none of them again."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from steelyard.pretrain.kept_file import read_kept

FILE = "scores.json"
Scorer = Callable[[Sequence[str]], Iterable[float | None]]
"""Texts -> their scores in order; None where it has none."""


class KnownScores:
    """Text -> score, by a hash of the text. What a scorer could not score is known to have none.

    Args:
        known: hash -> score.
    """

    def __init__(self, known: dict[str, float | None] | None = None) -> None:
        self._known = {} if known is None else known

    @classmethod
    def read(cls, directory: Path) -> "KnownScores":
        """What `write` wrote; none where the checkpoint has no such file.

        Raises:
            SteelyardError: the file is damaged.
        """
        file = directory / FILE
        if not file.exists():
            return cls()
        return cls(read_kept(file, dict[str, float | None]))

    def write(self, directory: Path) -> None:
        """Write them into a checkpoint, where there are any."""
        if self._known:
            (directory / FILE).write_text(json.dumps(self._known), encoding="utf-8")

    def of(self, texts: Sequence[str], scorer: Scorer) -> list[float | None]:
        """The scores of texts; the scorer is asked for those that are not known, each once."""
        new = [text for text in dict.fromkeys(texts) if _hash(text) not in self._known]
        if new:
            self._known |= zip(map(_hash, new), scorer(new), strict=True)
        return [self._known[_hash(text)] for text in texts]


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
