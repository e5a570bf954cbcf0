"""Texts with labels from a file: what a guard is fitted on and measured by.

Rows have a column `text` and a column `label`. A label is true or false, 1 or 0, or a word: one of `HARMFUL` or
`HARMLESS`, or, where one's own word means harm, any other means that there is none. The split is by hash of the text.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import torch
import tyro
from jaxtyping import Bool
from torch import Tensor

from steelyard.core import ShareInside, checked, hash_share, require
from steelyard.core.columns import Column, text_of
from steelyard.core.json import JsonObject
from steelyard.task.base import MERGED
from steelyard.task.columns import is_missing
from steelyard.task.files import DataRow, read_rows

HARMFUL = ("harmful", "unsafe", "toxic", "true", "yes", "1")
SALT = "labelled text: "
"""Before each text where it is split: texts that another split has held out are not all on one side of this one."""
HARMLESS = ("harmless", "safe", "nontoxic", "false", "no", "0")


def is_held_out(text: str, share: float) -> bool:
    """Whether only evaluation sees a text, where it sees this share of all."""
    return hash_share(SALT + text) < share


class Labelled(NamedTuple):
    """Some texts, and which of them are harmful."""

    texts: list[str]
    harm_N: Bool[Tensor, "N"]


@dataclass(frozen=True)
class TextColumns:
    """Which column of a file plays which role."""

    text: Annotated[str, tyro.conf.arg(name="columns.text")] = "text"
    """Column with the text."""
    label: Annotated[str, tyro.conf.arg(name="columns.label")] = "label"
    """Column with its label."""


@checked()
@dataclass(frozen=True)
class LabelledFile:
    """How rows become labelled texts, and which of them are held out."""

    harmful: str = ""
    """The label that means harm; empty for true, 1 and the usual words, such as harmful and unsafe."""
    held_out_share: ShareInside = 0.2
    """Share of the texts that only evaluation sees."""
    columns: TextColumns = field(default_factory=TextColumns)
    """Which column plays which role."""

    def read(self, path: str) -> tuple[Labelled, Counter[str]]:
        """The texts in order, of equal ones the first; and how many were merged.

        Raises:
            SteelyardError: the file is missing or malformed, a row has no text or no label that is known, or one text
                has two labels.
        """
        require(bool(path), "is missing", where="--texts", hint="name a .jsonl or .parquet file with text and label")
        found: dict[str, bool] = {}
        rows = read_rows(path)
        for place, row in rows:
            where = f"{path}, {place}"
            text = text_of(row, Column(self.columns.text, setting="--columns.text"), where)
            harm = self.harm(row, where)
            agrees = found.setdefault(text, harm) == harm
            require(agrees, "its text has another label in an earlier row", where=where, hint="decide which is right")
        merged = len(rows) - len(found)
        counts = Counter({MERGED: merged} if merged else {})
        return Labelled([*found], torch.tensor([*found.values()], dtype=torch.bool)), counts

    def split(self, texts: Labelled, path: str) -> tuple[Labelled, Labelled]:
        """Those to learn from, and those to measure by.

        Raises:
            SteelyardError: nothing is harmful in one of the two, or everything is.
        """
        held_out = [is_held_out(text, self.held_out_share) for text in texts.texts]
        return _part(texts, held_out, False, path), _part(texts, held_out, True, path)

    def harm(self, row: DataRow, where: str) -> bool:
        """What the label of a row says.

        Raises:
            SteelyardError: there is none, or it says neither harmful nor harmless.
        """
        column = self.columns.label
        value = row.get(column)
        hint = "write it, or name its column with --columns.label"
        require(not is_missing(value), f"has no label in column {column!r}", where=where, hint=hint)
        word = str(value).strip().lower()
        if self.harmful:
            return word == self.harmful.lower()
        known = word in HARMFUL or word in HARMLESS
        hint = "say which label means harm with --harmful LABEL"
        require(known, f"its label {str(value)[:40]!r} says neither harmful nor harmless", where=where, hint=hint)
        return word in HARMFUL


def counted(train: Labelled, held_out: Labelled, notes: Counter[str]) -> JsonObject:
    """What data.json and the plan say of them."""
    harmful = int(train.harm_N.sum()) + int(held_out.harm_N.sum())
    return {"texts": len(train.texts), "held_out": len(held_out.texts), "harmful": harmful, "notes": dict(notes)}


def _part(texts: Labelled, held_out: Sequence[bool], wanted: bool, path: str) -> Labelled:
    places = [i for i, held in enumerate(held_out) if held == wanted]
    part = Labelled([texts.texts[i] for i in places], texts.harm_N[places])
    harmful = int(part.harm_N.sum())
    what = f"of {len(places)} texts to {'measure by' if wanted else 'learn from'}, {harmful} are harmful"
    require(0 < harmful < len(places), what, where=path, hint="give texts of both kinds, or another --held-out-share")
    return part
