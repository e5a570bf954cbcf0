"""Documents from a JSONL or Parquet file, with the scores of their segments where there are some.

    {"segments": [{"text": "...", "score": 0.0}, ...]}     every segment with its score
    {"text": "...", "score": 0.3}                          a document that is one segment
    {"text": "..."}                                        plain; `scorer` or `unwanted_words` score its segments

A score says how undesirable a segment is: 0 is harmless. A scorer is a reward function of the ecosystem,
`f(prompts, completions, **columns) -> list[float | None]`, asked about segments as completions of the empty prompt; it
runs in a worker that can be killed. What it cannot score is no 0: the document is left out, and counted.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec
import tyro

from steelyard.core import Episode, Positive, Prompt, SteelyardError, checked, require
from steelyard.core.columns import Column, text_of
from steelyard.pretrain.document import Document, Segment
from steelyard.pretrain.known_scores import KnownScores
from steelyard.reward import FunctionReward
from steelyard.task.columns import is_missing
from steelyard.task.files import DataRow, read_rows

UNSCORED = "documents left out because their scorer gave no score"
AT_ONCE = 64
"""Segments in one call of a scorer."""
_SENTENCE = re.compile(r"(?<=[.!?])(?=\s)")
_LINE = re.compile(r"(?<=\n)")


@dataclass(frozen=True)
class DocumentColumns:
    """Which column of a file plays which role."""

    text: Annotated[str, tyro.conf.arg(name="columns.text")] = "text"
    """Column with the whole text."""
    segments: Annotated[str, tyro.conf.arg(name="columns.segments")] = "segments"
    """Column with a list of segments, each with text and score; goes before the text."""
    score: Annotated[str, tyro.conf.arg(name="columns.score")] = "score"
    """Column with the score of the whole text."""


class _Segment(msgspec.Struct):
    text: str
    score: float | None = None


@checked()
@dataclass(frozen=True)
class DocumentFile:
    """How rows become documents with scored segments."""

    scorer: str = ""
    """A function module:function(prompts, completions, **columns) that scores segments; higher is worse."""
    unwanted_words: str = ""
    """Words separated by commas, in place of a scorer: a segment that holds one of them has score 1, others 0."""
    split_by: Literal["sentence", "line", "document"] = "sentence"
    """The segments of a plain text, where they are scored."""
    scorer_timeout: Positive = 60.0
    """Seconds that the scorer may take for a batch of up to 64 segments."""
    columns: DocumentColumns = field(default_factory=DocumentColumns)
    """Which column plays which role."""

    def __post_init__(self) -> None:
        both = bool(self.scorer) and bool(self.unwanted_words)
        require(not both, "is set, and so is --unwanted-words", where="--scorer", hint="leave one of them out")

    @property
    def scores(self) -> bool:
        """Whether segments are scored here, and not by the file."""
        return bool(self.scorer or self.unwanted_words)

    def read(
        self, path: str, flag: str, *, scored: bool, known: KnownScores | None = None
    ) -> tuple[list[Document], Counter[str]]:
        """The documents of a file in order, and how many were left out.

        Args:
            path: JSONL or Parquet.
            flag: the setting that names it, for errors.
            scored: whether every segment must have a score; otherwise one without has 0.
            known: scores that are not asked for again; those that are asked for are added.

        Raises:
            SteelyardError: the file is missing or malformed, a row has no text, or a score that is needed is missing.
        """
        require(bool(path), "is missing", where=flag, hint="name a .jsonl or .parquet file with a column text")
        rows = [(self._segments(row, f"{path}, {place}"), f"{path}, {place}") for place, row in read_rows(path)]
        counts: Counter[str] = Counter()
        if self.scores:
            slow = known if known is not None and self.scorer else KnownScores()
            return self._scored([segments for segments, _ in rows], counts, slow), counts
        documents = [Document(tuple(self._known(s, where, scored) for s in segments)) for segments, where in rows]
        return documents, counts

    def score(self, texts: Sequence[str]) -> list[float | None]:
        """The mean score of each text's segments; None where one of them has none.

        Raises:
            SteelyardError: the scorer cannot be loaded, or breaks its contract.
        """
        found = self._score_all([self._split(text) for text in texts], KnownScores())
        return [None if None in scores else sum(map(float, scores)) / len(scores) for scores in found]  # pyright: ignore[reportArgumentType]

    def _segments(self, row: DataRow, where: str) -> list[_Segment]:
        names = self.columns
        if not is_missing(row.get(names.segments)):
            return _listed(row[names.segments], names.segments, where)
        text = text_of(row, Column(names.text, setting="--columns.text or --columns.segments"), where)
        score = row.get(names.score)
        if is_missing(score) or self.scores:
            return [_Segment(str(part)) for part in self._split(text)]
        number = isinstance(score, int | float) and not isinstance(score, bool)
        require(number, f"column {names.score!r} is no number", where=where, hint="write a number")
        return [_Segment(text, float(score))]  # pyright: ignore[reportArgumentType]

    def _split(self, text: str) -> list[str]:
        """The segments of a text, which together are the text; blank ones go with the one before."""
        if not self.scores or self.split_by == "document":
            return [text]
        pattern = _SENTENCE if self.split_by == "sentence" else _LINE
        found: list[str] = []
        for part in pattern.split(text):
            if found and not part.strip():
                found[-1] += part
            elif part:
                found.append(part)
        return found or [text]

    def _known(self, segment: _Segment, where: str, scored: bool) -> Segment:
        hint = "give segments with scores, a column score, --scorer or --unwanted-words"
        require(segment.score is not None or not scored, "it has no score", where=where, hint=hint)
        return Segment(segment.text, segment.score or 0.0)

    def _scored(self, rows: Sequence[Sequence[_Segment]], counts: Counter[str], known: KnownScores) -> list[Document]:
        texts = [[segment.text for segment in segments] for segments in rows]
        documents = []
        for parts, scores in zip(texts, self._score_all(texts, known), strict=True):
            segments = [Segment(text, value) for text, value in zip(parts, scores, strict=True) if value is not None]
            if len(segments) == len(parts):
                documents.append(Document(tuple(segments)))
        if len(documents) < len(rows):
            counts[UNSCORED] = len(rows) - len(documents)
        hint = "try the scorer on one of them: steelyard score"
        require(bool(documents), "it gave no document a score", where=f"scorer {self.scorer!r}", hint=hint)
        return documents

    def _score_all(self, rows: Sequence[Sequence[str]], known: KnownScores) -> list[list[float | None]]:
        """The score of every segment of every row; equal segments are scored once."""
        found = iter(known.of([text for parts in rows for text in parts], self._values))
        return [[next(found) for _ in parts] for parts in rows]

    def _values(self, texts: Sequence[str]) -> Iterator[float | None]:
        if self.unwanted_words:
            words = [word.strip() for word in self.unwanted_words.split(",") if word.strip()]
            yield from (float(any(word in text for word in words)) for text in texts)
            return
        prompt = Prompt("segment", "")
        with closing(FunctionReward(self.scorer, timeout_s=self.scorer_timeout)) as scorer:
            for start in range(0, len(texts), AT_ONCE):
                asked = [Episode.written(prompt, text) for text in texts[start : start + AT_ONCE]]
                yield from (score.value for score in scorer(asked))


def _listed(value: object, column: str, where: str) -> list[_Segment]:
    try:
        found = msgspec.convert(value, list[_Segment], strict=False)
    except msgspec.ValidationError as error:
        hint = 'write [{"text": "...", "score": 0.0}, ...]'
        raise SteelyardError(f"column {column!r}: {error}", where=where, hint=hint) from error
    kept = [segment for segment in found if segment.text]
    require(bool(kept), f"column {column!r} holds no text", where=where, hint="write it, or leave the row out")
    return kept
