"""Checks for audits: a table of a model, which the audit leaves as it was."""

import copy
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import torch

from steelyard.check.verdict import Check, demand
from steelyard.core import SteelyardError
from steelyard.core.columns import Column
from steelyard.core.table import Table
from steelyard.policy import Policy
from steelyard.policy.auditor import Auditor, PlacedRow

MODEL = "steelyard/arithmetic"
"""A small model that comes with the package."""
N = 6


def _policy() -> Policy:
    return Policy.load(MODEL)


def _rows(auditor: Auditor) -> list[PlacedRow]:
    """Six rows with the columns that it reads, of texts that the model's tokenizer knows."""
    return [(f"row {i}", {column.name: _value(column, i) for column in auditor.columns()}) for i in range(N)]


def _value(column: Column, i: int) -> object:
    text = f"{i + 1}+{len(column.name)}="
    labels = column.labels or ("one", "two")
    kinds = {"label": labels[i % len(labels)], "number": i / N, "texts": [f"{i}", f"{i + 2}"]}
    return kinds.get(column.kind, text)


@lru_cache(maxsize=4)
def _audited(auditor: Auditor) -> tuple[Table, str]:
    """The table of a model, and what the audit did to the model, the rows or torch's generator."""
    policy = _policy()
    rows = _rows(auditor)
    before = (policy.weights().copy(), [p.requires_grad for p in policy.model.parameters()], torch.get_rng_state())
    given = copy.deepcopy(rows)
    table = auditor.audit(policy, rows)
    done = {
        "changes the model's weights": not np.array_equal(before[0], policy.weights()),
        "changes what is trained": before[1] != [p.requires_grad for p in policy.model.parameters()],
        "leaves gradients behind": any(p.grad is not None for p in policy.model.parameters()),
        "draws from torch's global generator": not torch.equal(before[2], torch.get_rng_state()),
        "changes the rows": rows != given,
    }
    return table, ", ".join(what for what, so in done.items() if so)


def _table(auditor: Auditor) -> Table:
    return _audited(auditor)[0]


def audit_table(auditor: Auditor) -> None:
    """Named rows, columns with a unit and a line of help, and numbers."""
    table = _table(auditor)
    demand(len(table.rows) > 0 and len(table.measures) > 0, "the table is empty")
    for measure in table.measures:
        demand(bool(measure.unit and measure.help.strip()), f"the column {measure.name!r} has no unit or no help")
    numbers = [x for _, row in table.rows for x in row if x is not None]
    demand(len(numbers) > 0 and all(map(math.isfinite, numbers)), "a number is not finite, or there is none")


def audit_keeps(auditor: Auditor) -> None:
    """Weights, what of them is trained, and torch's own generator stay as they were; so do the rows."""
    _, done = _audited(auditor)
    demand(not done, f"it {done}")


def audit_repeatable(auditor: Auditor) -> None:
    """Two calls agree."""
    demand(auditor.audit(_policy(), _rows(auditor)) == _table(auditor), "two calls differ")


def audit_order(auditor: Auditor) -> None:
    """The order of the rows does not matter."""
    turned = auditor.audit(_policy(), _rows(auditor)[::-1])
    demand(turned.measures == _table(auditor).measures, "in another order, there are other columns")
    demand(_near(turned, _table(auditor)), "the order of the rows matters")


def audit_tells(auditor: Auditor) -> None:
    """Of another model it says something else."""
    policy = _policy()
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.mul_(0.5)
    demand(not _near(auditor.audit(policy, _rows(auditor)), _table(auditor)), "of another model it says the same")


def audit_refuses(auditor: Auditor) -> None:
    """No rows are refused, and so is a row with nothing in it."""
    for what, rows in (("no rows", []), ("an empty row", [("row 0", {})])):
        try:
            auditor.audit(_policy(), rows)
        except SteelyardError:
            continue
        demand(False, f"it audits {what}")


def _near(table: Table, other: Table) -> bool:
    """Whether two tables have the same rows, and the same numbers but for rounding."""
    (one, two) = (dict(t.rows) for t in (table, other))
    return one.keys() == two.keys() and all(_alike(one[name], two[name]) for name in one)


def _alike(one: Sequence[float | int | None], two: Sequence[float | int | None]) -> bool:
    pairs = zip(one, two, strict=True)
    return all(a is b or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-5)) for a, b in pairs)


AUDIT_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "audit-table": audit_table,
        "audit-keeps": audit_keeps,
        "audit-repeatable": audit_repeatable,
        "audit-order": audit_order,
        "audit-tells": audit_tells,
        "audit-refuses": audit_refuses,
    }
)
