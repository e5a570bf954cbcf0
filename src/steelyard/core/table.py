"""A table of numbers: named rows, and columns with a unit and a line of help."""

import csv
import io
import math
from dataclasses import dataclass

from steelyard.core.json import JsonObject


@dataclass(frozen=True)
class Measure:
    """A column of a table."""

    name: str
    unit: str
    """For example "share", "nats a token" or "questions"."""
    help: str
    """What it is, in a line."""


@dataclass(frozen=True)
class Table:
    """Rows of numbers; None where a row has no such number."""

    measures: tuple[Measure, ...]
    """The columns."""
    rows: tuple[tuple[str, tuple[float | int | None, ...]], ...]
    """Name and numbers of each row, in the order of `measures`."""

    def __post_init__(self) -> None:
        names = [name for name, _ in self.rows]
        if len(set(names)) < len(names) or len({m.name for m in self.measures}) < len(self.measures):
            raise ValueError("two rows or two columns of a table have one name")
        if any(len(numbers) != len(self.measures) for _, numbers in self.rows):
            raise ValueError("a row of a table has another number of numbers than there are columns")
        if any(x is not None and not math.isfinite(x) for _, numbers in self.rows for x in numbers):
            raise ValueError("a number of a table is not finite")

    def number(self, row: str, measure: str) -> float | int | None:
        """One of the numbers.

        Raises:
            KeyError: there is no such row or column.
        """
        return self.data()["rows"][row][measure]

    def data(self) -> JsonObject:
        """As JSON: the columns with unit and help, and the numbers by row and column."""
        names = [m.name for m in self.measures]
        return {
            "columns": {m.name: {"unit": m.unit, "help": m.help} for m in self.measures},
            "rows": {row: dict(zip(names, numbers, strict=True)) for row, numbers in self.rows},
        }

    def csv(self) -> str:
        """As CSV: a head with units, `probability (share)`, then a line for each row."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["", *(f"{m.name} ({m.unit})" for m in self.measures)])
        for row, numbers in self.rows:
            writer.writerow([row, *("" if x is None else x for x in numbers)])
        return text.getvalue()
