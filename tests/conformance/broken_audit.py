"""Audits that each break one check."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from conformance.strangers import breaks, sound
from steelyard.core import require
from steelyard.core.columns import Column
from steelyard.core.table import Measure, Table
from steelyard.policy import Policy
from steelyard.policy.auditor import Auditor, PlacedRow

SIZE = Measure("size", "1", "Sum of the embeddings, over the number of rows.")


@sound
@dataclass(frozen=True)
class Size(Auditor):
    """A stranger's audit.

        size = sum of |w| / N

    Source: this file.
    """  # fmt: skip

    unit = "1"

    def columns(self) -> tuple[Column, ...]:
        return (Column("text"),)

    def audit(self, policy: Policy, rows: Sequence[PlacedRow]) -> Table:
        require(len(rows) > 0 and all("text" in row for _, row in rows), "nothing", where="size", hint="give some")
        return Table((Measure("size", self.unit, "Of the weights."),), (("all", (self.size(policy, rows),)),))

    def size(self, policy, rows):
        return float(sum(p.detach().abs().sum() for p in policy.model.parameters())) / len(rows)


@breaks("audit-table")
@dataclass(frozen=True)
class NoUnit(Size):
    unit = ""


@breaks("audit-keeps")
@dataclass(frozen=True)
class Freezes(Size):
    def size(self, policy, rows):
        policy.model.requires_grad_(False)
        return super().size(policy, rows)


@breaks("audit-repeatable")
@dataclass(frozen=True)
class Dices(Size):
    def size(self, policy, rows):
        return super().size(policy, rows) + float(torch.rand(()))


@breaks("audit-order")
@dataclass(frozen=True)
class ReadsTheFirst(Size):
    def size(self, policy, rows):
        return super().size(policy, rows) * (1 + int(rows[0][1]["text"][0]))


@breaks("audit-tells")
@dataclass(frozen=True)
class CountsRows(Size):
    def size(self, policy, rows):
        return len(rows)


@breaks("audit-refuses")
@dataclass(frozen=True)
class TakesNothing(Size):
    def audit(self, policy: Policy, rows: Sequence[PlacedRow]) -> Table:
        return Table((SIZE,), (("all", (self.size(policy, rows or [1]),)),))
