"""Checks for audits of guards: a table that follows from the guard's rulings and the rows, and from nothing else."""

import copy
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch

from steelyard.check.verdict import Check, demand
from steelyard.core import SteelyardError
from steelyard.core.columns import Column
from steelyard.core.table import Table
from steelyard.guard import Ruling
from steelyard.guard.guard_audit import GuardAuditor
from steelyard.policy.auditor import PlacedRow

N = 60


def _guard(texts: Sequence[str], turn: float = 0.0) -> Ruling:
    """A guard whose rulings follow from the letters of a text."""
    harm_N = torch.tensor([(sum(map(ord, text)) * 0.37 + turn) % 1.0 for text in texts])
    return Ruling(harm_N, harm_N[:, None])


def _other(texts: Sequence[str]) -> Ruling:
    return _guard(texts, 0.41)


def _rows(auditor: GuardAuditor) -> list[PlacedRow]:
    """Sixty rows with the columns that it reads."""
    return [(f"row {i}", {column.name: _value(column, i) for column in auditor.columns()}) for i in range(N)]


def _value(column: Column, i: int) -> object:
    labels = column.labels or ("one", "two")
    kinds = {"label": labels[(i // len(column.name)) % len(labels)], "number": i / N, "texts": [f"{i}", f"{i + 2}"]}
    return kinds.get(column.kind, f"{column.name} {i * 7919}")


def guard_audit_table(auditor: GuardAuditor) -> None:
    """Named rows, columns with a unit and a line of help, and numbers."""
    table = auditor.audit_guard(_guard, _rows(auditor))
    demand(len(table.rows) > 0 and len(table.measures) > 0, "the table is empty")
    for measure in table.measures:
        demand(bool(measure.unit and measure.help.strip()), f"the column {measure.name!r} has no unit or no help")
    demand(any(x is not None for _, row in table.rows for x in row), "there is no number")


def guard_audit_repeatable(auditor: GuardAuditor) -> None:
    """Two calls agree, and leave the rows and torch's generator as they were."""
    rows, state = _rows(auditor), torch.get_rng_state()
    given = copy.deepcopy(rows)
    demand(auditor.audit_guard(_guard, rows) == auditor.audit_guard(_guard, rows), "two calls differ")
    demand(rows == given, "it changes the rows")
    demand(torch.equal(state, torch.get_rng_state()), "it draws from torch's global generator")


def guard_audit_order(auditor: GuardAuditor) -> None:
    """The order of the rows does not matter."""
    rows = _rows(auditor)
    demand(_near(auditor.audit_guard(_guard, rows[::-1]), auditor.audit_guard(_guard, rows)), "the order matters")


def guard_audit_tells(auditor: GuardAuditor) -> None:
    """Of another guard it says something else."""
    rows = _rows(auditor)
    same = _near(auditor.audit_guard(_other, rows), auditor.audit_guard(_guard, rows))
    demand(not same, "of another guard it says the same")


def guard_audit_refuses(auditor: GuardAuditor) -> None:
    """No rows are refused, and so is a row with nothing in it."""
    for what, rows in (("no rows", []), ("an empty row", [("row 0", {})])):
        try:
            auditor.audit_guard(_guard, rows)
        except SteelyardError:
            continue
        demand(False, f"it audits {what}")


def _near(table: Table, other: Table) -> bool:
    """Whether two tables have the same rows, and the same numbers but for rounding."""
    one, two = dict(table.rows), dict(other.rows)
    return one.keys() == two.keys() and all(
        a is b or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-5))
        for name in one
        for a, b in zip(one[name], two[name], strict=True)
    )


GUARD_AUDIT_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "guard-audit-table": guard_audit_table,
        "guard-audit-repeatable": guard_audit_repeatable,
        "guard-audit-order": guard_audit_order,
        "guard-audit-tells": guard_audit_tells,
        "guard-audit-refuses": guard_audit_refuses,
    }
)
