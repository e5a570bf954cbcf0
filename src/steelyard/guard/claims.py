"""Claims from a file, true or hallucinated: what a detector is tuned on and measured by.

Rows are labelled texts (`labelled.py`) with the columns `text` and `label`; `hallucinated` is the label that means
harm, and any other means that the claim is true. A row may also have a `rationale`, why it is true or not, and a
`question` about what the claim says with its right `answer`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import torch
import tyro

from steelyard.core import ShareInside, checked, hash_share, require
from steelyard.core.columns import Column, text_of
from steelyard.core.json import JsonObject
from steelyard.guard.labelled import Labelled, LabelledFile, TextColumns
from steelyard.task.columns import is_missing
from steelyard.task.files import DataRow, read_rows

LEFT_OUT = "claims left out so that as many are true as hallucinated"


@dataclass(frozen=True)
class Claim:
    """A claim, and what is known of it."""

    text: str
    hallucinated: bool
    rationale: str = ""
    """Why; empty where nobody said it."""
    question: str = ""
    """What asks for what the claim says; empty where there is none."""
    answer: str = ""
    """The right answer to it."""


@dataclass(frozen=True)
class ClaimColumns(TextColumns):
    """Which column of a file plays which role."""

    rationale: Annotated[str, tyro.conf.arg(name="columns.rationale")] = "rationale"
    """Column that says why a claim is true or not; a row need not have it."""
    question: Annotated[str, tyro.conf.arg(name="columns.question")] = "question"
    """Column with a question about what the claim says; a row need not have it."""
    answer: Annotated[str, tyro.conf.arg(name="columns.answer")] = "answer"
    """Column with the right answer to the question."""


class Splits(NamedTuple):
    """The claims of a file."""

    train: list[Claim]
    validation: list[Claim]
    """By which the threshold is chosen."""
    held_out: list[Claim]
    """By which the detector is measured."""
    notes: Counter[str]

    def facts(self) -> JsonObject:
        """What data.json and the plan say of them."""
        counts = {name: len(part) for name, part in zip(self._fields[:3], self[:3], strict=True)}
        hallucinated = sum(claim.hallucinated for part in self[:3] for claim in part)
        return {**counts, "hallucinated": hallucinated, "notes": dict(self.notes)}


@checked()
@dataclass(frozen=True)
class ClaimFile(LabelledFile):
    """How rows become claims, and which of them are not learned from."""

    harmful: str = "hallucinated"
    """The label that means that a claim is not true."""
    columns: ClaimColumns = field(default_factory=ClaimColumns)
    """Which column plays which role."""
    validation_share: ShareInside = 0.2
    """Share of the claims that are not held out by which the threshold is chosen."""
    balanced: bool = True
    """Learn from as many true claims as hallucinated ones; else from all."""

    def claims(self, path: str) -> tuple[list[Claim], Counter[str]]:
        """The claims in order, of equal ones the first; and how many were merged.

        Raises:
            SteelyardError: as for labelled texts, or a question stands without its answer.
        """
        texts, notes = self.read(path)
        labels = dict(zip(texts.texts, texts.harm_N.tolist(), strict=True))
        found: dict[str, Claim] = {}
        for place, row in read_rows(path):
            text = str(row[self.columns.text])
            if text not in found:
                found[text] = self._claim(row, labels[text], f"{path}, {place}")
        return [*found.values()], notes

    def splits(self, path: str) -> Splits:
        """Those to learn from, to choose the threshold by, and to measure by.

        Raises:
            SteelyardError: as for `claims`, or a part has none of one kind.
        """
        claims, notes = self.claims(path)
        rest, held_out = self._apart(claims, self.split(labelled(claims), path))
        validates = [hash_share(f"validation: {claim.text}") < self.validation_share for claim in rest]
        train, validation = ([c for c, v in zip(rest, validates, strict=True) if v == kind] for kind in (False, True))
        for name, part in (("learn from", train), ("choose the threshold by", validation)):
            known = sum(claim.hallucinated for claim in part)
            what = f"of {len(part)} claims to {name}, {known} are hallucinated"
            hint = "give more claims of both kinds, or another --validation-share"
            require(0 < known < len(part), what, where=path, hint=hint)
        kept = _evenly(train) if self.balanced else train
        left = len(train) - len(kept)
        return Splits(kept, validation, held_out, notes + Counter({LEFT_OUT: left} if left else {}))

    def _apart(self, claims: Sequence[Claim], parts: tuple[Labelled, Labelled]) -> tuple[list[Claim], list[Claim]]:
        held = {*parts[1].texts}
        return [c for c in claims if c.text not in held], [c for c in claims if c.text in held]

    def _claim(self, row: DataRow, hallucinated: bool, where: str) -> Claim:
        names = self.columns
        said = {role: self._said(row, getattr(names, role), where) for role in ("rationale", "question", "answer")}
        both = bool(said["question"]) == bool(said["answer"])
        what = f"it has {'a question without an answer' if said['question'] else 'an answer without a question'}"
        require(both, what, where=where, hint=f"write {names.question!r} and {names.answer!r}, or neither")
        return Claim(str(row[names.text]), hallucinated, **said)

    def _said(self, row: DataRow, column: str, where: str) -> str:
        return "" if is_missing(row.get(column)) else text_of(row, Column(column), where)


def labelled(claims: Sequence[Claim]) -> Labelled:
    """Claims as labelled texts."""
    return Labelled([c.text for c in claims], torch.tensor([c.hallucinated for c in claims], dtype=torch.bool))


def _evenly(claims: Sequence[Claim]) -> list[Claim]:
    """As many of either kind as there are of the rarer one, chosen by hash."""
    kinds = ([c for c in claims if c.hallucinated == kind] for kind in (False, True))
    ranked = [sorted(kind, key=lambda claim: hash_share(f"balance: {claim.text}")) for kind in kinds]
    few = min(map(len, ranked))
    kept = {claim.text for kind in ranked for claim in kind[:few]}
    return [claim for claim in claims if claim.text in kept]
