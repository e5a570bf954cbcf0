"""The interface of audits: a model and rows in, a table out; the model stays as it is.

An auditor is a frozen dataclass of settings with `@method(id, ...)` above it. Its table has named rows and columns with
units, so audits can be printed, compared and put side by side.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from steelyard.core.columns import Column
from steelyard.core.json import JsonMapping
from steelyard.core.table import Table
from steelyard.policy.policy import Policy

PlacedRow = tuple[str, JsonMapping]
"""A row of a file and its place, for errors: "facts.jsonl, line 3"."""


@runtime_checkable
class Auditor(Protocol):
    """Settings of an audit."""

    def columns(self) -> tuple[Column, ...]:
        """The columns that it reads, those included that a file need not have."""
        ...

    def audit(self, policy: Policy, rows: Sequence[PlacedRow]) -> Table:
        """Measure the model on the rows. Two calls agree, and the order of the rows does not matter.

        Raises:
            SteelyardError: there are no rows, or one lacks something.
        """
        ...
