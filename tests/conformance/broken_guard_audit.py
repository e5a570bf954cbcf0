"""Audits of guards that each break one check."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from conformance.strangers import breaks, sound
from steelyard.core import require
from steelyard.core.columns import Column
from steelyard.core.table import Measure, Table
from steelyard.guard import Guard
from steelyard.guard.guard_audit import GuardAuditor
from steelyard.policy.auditor import PlacedRow


@sound
@dataclass(frozen=True)
class Mean(GuardAuditor):
    """A stranger's audit.

        mean = sum of harm / N

    Source: this file.
    """  # fmt: skip

    unit = "share"

    def columns(self) -> tuple[Column, ...]:
        return (Column("text"),)

    def audit_guard(self, guard: Guard, rows: Sequence[PlacedRow]) -> Table:
        require(len(rows) > 0 and all("text" in row for _, row in rows), "nothing", where="mean", hint="give some")
        return Table((Measure("mean", self.unit, "Of harm."),), (("all", (self.mean(guard, rows),)),))

    def mean(self, guard, rows):
        return float(guard([row["text"] for _, row in rows]).harm_N.double().mean())


@breaks("guard-audit-table")
@dataclass(frozen=True)
class NoUnit(Mean):
    unit = ""


@breaks("guard-audit-repeatable")
@dataclass(frozen=True)
class Dices(Mean):
    def mean(self, guard, rows):
        return super().mean(guard, rows) + float(torch.rand(()))


@breaks("guard-audit-order")
@dataclass(frozen=True)
class FirstCounts(Mean):
    def mean(self, guard, rows):
        return super().mean(guard, rows[:1])


@breaks("guard-audit-tells")
@dataclass(frozen=True)
class Deaf(Mean):
    def mean(self, guard, rows):
        return 1.0


@breaks("guard-audit-refuses")
@dataclass(frozen=True)
class Lenient(Mean):
    def audit_guard(self, guard: Guard, rows: Sequence[PlacedRow]) -> Table:
        return super().audit_guard(guard, rows) if rows else Table((Measure("mean", "1", "It."),), (("all", (0.0,)),))
