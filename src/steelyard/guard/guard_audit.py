"""The interface of audits of guards: a guard and rows in, a table out.

It is to a guard what `steelyard.policy.auditor` is to a model that writes: settings with `@method(id, ...)` above them,
named rows, and columns with units.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from steelyard.core.columns import Column
from steelyard.core.table import Table
from steelyard.guard.base import Guard
from steelyard.policy.auditor import PlacedRow


@runtime_checkable
class GuardAuditor(Protocol):
    """Settings of an audit."""

    def columns(self) -> tuple[Column, ...]:
        """The columns that it reads, those included that a file need not have."""
        ...

    def audit_guard(self, guard: Guard, rows: Sequence[PlacedRow]) -> Table:
        """Measure the guard on the rows. Two calls agree, and the order of the rows does not matter.

        Raises:
            SteelyardError: there are no rows, or one lacks something.
        """
        ...
