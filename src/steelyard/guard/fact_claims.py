"""Claims that are supported, refuted, or neither, from a file: what a fact checker is fitted on and measured by.

Rows have the columns `text` and `label`, and perhaps `masked`: what of the claim is to be hidden, word for word. The
labels are those of FEVER (SUPPORTS, REFUTES, NOT ENOUGH INFO) or the usual words; true and false are the first two. The
split is by hash of the text. N claims.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import torch
import tyro
from jaxtyping import Int64
from torch import Tensor

from steelyard.core import ShareInside, checked, require
from steelyard.core.columns import Column, text_of
from steelyard.core.json import JsonObject
from steelyard.guard.labelled import TextColumns, is_held_out
from steelyard.policy.masked_model import Span
from steelyard.task.base import MERGED
from steelyard.task.columns import is_missing
from steelyard.task.files import DataRow, read_rows

VERDICTS = ("supported", "refuted", "unknown")
WORDS = {
    "supported": ("supported", "supports", "true", "yes", "1"),
    "refuted": ("refuted", "refutes", "false", "no", "0"),
    "unknown": ("unknown", "not enough info", "not enough information", "nei", "unverified"),
}
"""How each verdict may be written."""
SPELLED = {word: place for place, verdict in enumerate(VERDICTS) for word in WORDS[verdict]}
_WORD = re.compile(r"\w[\w'’.-]*\w|\w")


class FactClaims(NamedTuple):
    """Some claims, what is hidden of each, and which of `VERDICTS` is right."""

    texts: list[str]
    spans: list[Span]
    verdict_N: Int64[Tensor, "N"]

    def part(self, wanted: Sequence[int]) -> "FactClaims":
        """Those at these places."""
        return FactClaims([self.texts[i] for i in wanted], [self.spans[i] for i in wanted], self.verdict_N[[*wanted]])


@dataclass(frozen=True)
class FactColumns(TextColumns):
    """Which column of a file plays which role."""

    masked: Annotated[str, tyro.conf.arg(name="columns.masked")] = "masked"
    """Column with what of the claim is hidden; a row need not have it: then the last name or number is."""


@checked()
@dataclass(frozen=True)
class FactFile:
    """How rows become claims, and which of them are held out."""

    held_out_share: ShareInside = 0.2
    """Share of the claims that only evaluation sees."""
    columns: FactColumns = field(default_factory=FactColumns)
    """Which column plays which role."""

    def read(self, path: str) -> tuple[FactClaims, Counter[str]]:
        """The claims in order, of equal ones the first; and how many were merged.

        Raises:
            SteelyardError: the file is missing or malformed, a row has no text, no label that is known, or hides what
                is not in its text; or one text has two labels.
        """
        require(bool(path), "is missing", where="--texts", hint="name a .jsonl or .parquet file with text and label")
        found: dict[str, tuple[Span, int]] = {}
        rows = read_rows(path)
        for place, row in rows:
            where = f"{path}, {place}"
            text = text_of(row, Column(self.columns.text, setting="--columns.text"), where)
            verdict = self._verdict(row, where)
            _, known = found.setdefault(text, (self._span(row, text, where), verdict))
            agrees = known == verdict
            require(agrees, "its text has another label in an earlier row", where=where, hint="decide which is right")
        merged = len(rows) - len(found)
        spans = [span for span, _ in found.values()]
        claims = FactClaims([*found], spans, torch.tensor([verdict for _, verdict in found.values()]))
        return claims, Counter({MERGED: merged} if merged else {})

    def split(self, claims: FactClaims, path: str) -> tuple[FactClaims, FactClaims]:
        """Those to learn from, and those to measure by.

        Raises:
            SteelyardError: of one of the two, all claims have one label, or there are none.
        """
        held_out = [is_held_out(text, self.held_out_share) for text in claims.texts]
        parts = [claims.part([i for i, held in enumerate(held_out) if held == wanted]) for wanted in (False, True)]
        for part, what in zip(parts, ("learn from", "measure by"), strict=True):
            several = len(part.verdict_N.unique()) > 1
            said = f"{len(part.texts)} claims to {what} have not two labels"
            require(several, said, where=path, hint="give claims of both kinds, or another --held-out-share")
        return parts[0], parts[1]

    def _verdict(self, row: DataRow, where: str) -> int:
        column = self.columns.label
        value = row.get(column)
        hint = "write it, or name its column with --columns.label"
        require(not is_missing(value), f"has no label in column {column!r}", where=where, hint=hint)
        word = str(value).strip().lower()
        hint = f"write {', '.join(VERDICTS[:2])} or {VERDICTS[2]}"
        require(word in SPELLED, f"its label {str(value)[:40]!r} is no verdict", where=where, hint=hint)
        return SPELLED[word]

    def _span(self, row: DataRow, text: str, where: str) -> Span:
        column = self.columns.masked
        if is_missing(row.get(column)):
            return last_name(text)
        hidden = text_of(row, Column(column, setting="--columns.masked"), where)
        start = text.rfind(hidden)
        require(start >= 0, f"its text has no {hidden[:40]!r}, which is to be hidden", where=where, hint="copy it")
        return start, start + len(hidden)


def last_name(text: str) -> Span:
    """The last name or number of a text; where there is none, its last word.

    A name is a run of words with a capital letter, one space apart; the first word of the text begins none.
    """
    words = [(m.start(), m.end()) for m in _WORD.finditer(text)]
    if not words:
        return 0, len(text)
    named = [any(c.isupper() or c.isdigit() for c in text[a:b]) and i > 0 for i, (a, b) in enumerate(words)]
    last = max((i for i, name in enumerate(named) if name), default=len(words) - 1)
    first = last
    while first > 0 and named[first - 1] and text[words[first - 1][1] : words[first][0]] == " ":
        first -= 1
    return words[first][0], words[last][1]


def counted(train: FactClaims, held_out: FactClaims, notes: Counter[str]) -> JsonObject:
    """What data.json and the plan say of them."""
    every = torch.cat([train.verdict_N, held_out.verdict_N])
    kinds = {name: int((every == i).sum()) for i, name in enumerate(VERDICTS)}
    return {"texts": len(train.texts), "held_out": len(held_out.texts), **kinds, "notes": dict(notes)}
