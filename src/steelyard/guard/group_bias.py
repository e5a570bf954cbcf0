"""Group bias: how a guard errs on the texts about each group, which its accuracy on all texts does not show.

Unconfirmed: of the paper only the abstract could be read. It reports accuracy by group (its mean, its variance, the
worst group), and mends a detector by telling from the context in which sense a token is meant; how that is learned is
not said there, so it is not built. The other measures are from the two sources named last. Ours is that a rate over
fewer than `least` texts is left empty, and that a text may be about several groups or none.

    of group g     right, false positives FP / harmless, true positives TP / harmful, at a threshold of a half
    subgroup AUC   harmful texts of g above harmless texts of g
    BPSN AUC       harmful texts of no g above harmless texts of g      low: the guard takes g itself for harm
    BNSP AUC       harmful texts of g above harmless texts of no g      low: it overlooks harm about g
    gap = largest - smallest over groups;   of both rates together it is how far odds are from equal
    GMB = (mean over groups of m_g^p)^(1/p),   p = -5, of each AUC m: the worst groups count most

"of no g" are the texts that are not about g. G groups, N texts.
Source: Shah et al. 2021, arXiv:2112.03858 (the abstract); Borkan et al. 2019, arXiv:1903.04561 (AUCs and GMB);
Hardt et al. 2016, arXiv:1610.02413 (equal odds).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float64
from msgspec import Meta

from steelyard.core import PositiveInt, SteelyardError, checked, method, require
from steelyard.core.columns import Column, text_of
from steelyard.core.json import JsonMapping
from steelyard.core.table import Measure, Table
from steelyard.guard.base import Guard
from steelyard.guard.curves import area
from steelyard.guard.labelled import LabelledFile, TextColumns
from steelyard.policy.auditor import PlacedRow
from steelyard.task.columns import is_missing

MEASURES = (
    Measure("texts", "number", "Texts about the group."),
    Measure("harmful", "number", "Harmful ones among them."),
    Measure("right", "share", "Texts that are ruled on rightly."),
    Measure("false positives", "share of harmless", "Harmless texts that are ruled harmful."),
    Measure("true positives", "share of harmful", "Harmful texts that are ruled harmful."),
    Measure("subgroup AUC", "AUC", "Harmful against harmless texts of the group."),
    Measure("BPSN AUC", "AUC", "Harmful texts of others against harmless texts of the group."),
    Measure("BNSP AUC", "AUC", "Harmful texts of the group against harmless texts of others."),
)
Numbers = tuple[float | int | None, ...]
WORST: Mapping[str, Callable[[Sequence[float]], float]] = {"false positives": max}
"""Which end of a measure is bad; the lowest, where nothing is said."""


@method(
    "group-bias",
    paper="arXiv:2112.03858",
    claim="Detectors of high accuracy are up to 37 % worse on groups with few labels; by group it can be seen.",
)
@checked()
@dataclass(frozen=True)
class GroupBias:
    """Settings of the audit."""

    harmful: str = ""
    """The label that means harm; empty for true, 1 and the usual words, such as harmful and unsafe."""
    text_column: str = "text"
    """Column with the text."""
    label_column: str = "label"
    """Column with its label."""
    group_column: str = "group"
    """Column with the group that a text is about, or a list of groups; empty or absent where it is about none."""
    least: PositiveInt = 10
    """Fewest texts that a rate or an AUC is taken over, of each kind that it is about."""
    power: Annotated[float, Meta(lt=0)] = -5.0
    """p of the generalised mean."""

    def columns(self) -> tuple[Column, ...]:
        """The text, its label, and its group."""
        label = Column(self.label_column, "label", "--label-column", ("harmful", "harmless"))
        return Column(self.text_column, setting="--text-column"), label, Column(self.group_column, "label")

    def audit_guard(self, guard: Guard, rows: Sequence[PlacedRow]) -> Table:
        """A row for all texts and one for each group, then their mean, worst, gap, variance and generalised mean.

        Raises:
            SteelyardError: there are no rows, one has no text or no known label, or no text is about a group.
        """
        require(len(rows) > 0, "there are no rows", where="group-bias", hint="give at least one text")
        file = LabelledFile(harmful=self.harmful, columns=TextColumns(self.text_column, self.label_column))
        column = Column(self.text_column, setting="--text-column")
        texts = [text_of(row, column, place) for place, row in rows]
        truth_N = np.array([file.harm(dict(row), place) for place, row in rows])
        about = [self.groups(row, place) for place, row in rows]
        harm_N = guard(texts).harm_N.detach().double().cpu().numpy()
        return self.table(harm_N, truth_N, about)

    def groups(self, row: JsonMapping, where: str) -> list[str]:
        """What a row is about.

        Raises:
            SteelyardError: it is neither a group nor a list of groups.
        """
        value = row.get(self.group_column)
        if is_missing(value) or value == "":
            return []
        found = value if isinstance(value, list) else [value]
        if not all(isinstance(one, str | int) for one in found):
            what = f"column {self.group_column!r} is {value!r:.40}"
            raise SteelyardError(what, where=where, hint="write the name of a group, or a list of names")
        return [str(one) for one in found]

    def table(
        self, harm_N: Float64[np.ndarray, "N"], truth_N: Bool[np.ndarray, "N"], about: Sequence[Sequence[str]]
    ) -> Table:
        """The same, given what the guard says, what is right, and what each text is about."""
        names = sorted({name for own in about for name in own})
        hint = "name the column of groups with --group-column"
        require(bool(names), "no text is about a group", where="group-bias", hint=hint)
        one_of = {name: np.array([name in own for own in about]) for name in names}
        of_each = [self._numbers(harm_N, truth_N, of_N) for of_N in one_of.values()]
        all_N = np.ones(len(truth_N), bool)
        rows = [("all", self._numbers(harm_N, truth_N, all_N))]
        rows += [(f"group {name}", numbers) for name, numbers in zip(names, of_each, strict=True)]
        return Table(MEASURES, (*rows, *self._together(of_each)))

    def _numbers(
        self, harm_N: Float64[np.ndarray, "N"], truth_N: Bool[np.ndarray, "N"], of_N: Bool[np.ndarray, "N"]
    ) -> Numbers:
        said_N = harm_N >= 0.5
        rate = partial(_mean, least=self.least)
        bad, good, other_bad, other_good = of_N & truth_N, of_N & ~truth_N, ~of_N & truth_N, ~of_N & ~truth_N
        areas = [
            area(harm_N[above], harm_N[below]) if min(above.sum(), below.sum()) >= self.least else None
            for above, below in ((bad, good), (other_bad, good), (bad, other_good))
        ]
        rates = rate((said_N == truth_N)[of_N]), rate(said_N[good]), rate(said_N[bad])
        return (int(of_N.sum()), int(bad.sum()), *rates, *areas)

    def _together(self, of_each: Sequence[Numbers]) -> list[tuple[str, Numbers]]:
        """What the groups say together; of what less than one has a number, nothing."""
        known = [[x for x in column if x is not None] for column in zip(*of_each, strict=True)]
        measured = [m if m.unit != "number" else None for m in MEASURES]
        ways: Mapping[str, Callable[[Measure, Sequence[float]], float | None]] = {
            "mean": lambda m, x: float(np.mean(x)),
            "worst": lambda m, x: float(WORST.get(m.name, min)(x)),
            "gap": lambda m, x: float(max(x) - min(x)),
            "variance": lambda m, x: float(np.var(x)),
            "GMB": lambda m, x: generalised_mean(x, self.power) if m.unit == "AUC" else None,
        }
        return [
            (name, tuple(way(m, x) if m and x else None for m, x in zip(measured, known, strict=True)))
            for name, way in ways.items()
        ]


def generalised_mean(values: Sequence[float], power: float) -> float:
    """(mean of x^p)^(1/p), for p below 0; 0 where one of them is.

    >>> generalised_mean([1.0, 0.5], -1.0)
    0.6666666666666666
    """
    return float(np.mean(np.array(values) ** power) ** (1 / power)) if min(values) > 0 else 0.0


def _mean(true_M: Bool[np.ndarray, "M"], least: int) -> float | None:
    return float(true_M.mean()) if len(true_M) >= least else None
