"""Outputs that were drawn from described processes, from a file: a row for each draw, grouped by the column `task`.

    {"task": "die", "description": "A fair die with four sides.", "output": 3}
    {"task": "names", "description": "First names.", "input": "Norway", "output": "Kari"}

A task's rows are draws from one process: their order says nothing. `description` may be missing, or differ from row to
row: then they are several wordings of the same. Either all rows of a task have an `input`, or none. A second file may
say what a process is, exactly:

    {"task": "die", "outputs": [1, 2, 3, 4], "probabilities": [0.25, 0.25, 0.25, 0.25]}
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import tyro
from jaxtyping import Float64

from steelyard.core import require
from steelyard.core.columns import Column, check_row
from steelyard.core.json import JsonMapping
from steelyard.task.columns import is_missing
from steelyard.task.files import read_rows

SAME = 1e-6
"""How far the sum of given probabilities may be from 1."""


@dataclass(frozen=True)
class Example:
    """One draw: the output, and the input where there is one."""

    output: str
    input: str = ""


@dataclass(frozen=True)
class Process:
    """What outputs are drawn from, by what was drawn."""

    name: str
    descriptions: tuple[str, ...]
    """The same in other words; none where nobody described it."""
    examples: tuple[Example, ...]

    @property
    def description(self) -> str:
        """The first wording; empty where there is none."""
        return self.descriptions[0] if self.descriptions else ""


@dataclass(frozen=True)
class Target:
    """The distribution of outputs that a process has after an input."""

    process: str
    """Its name."""
    input: str
    outputs: tuple[str, ...]
    probability_K: Float64[np.ndarray, "K"]


@dataclass(frozen=True)
class DrawColumns:
    """Which column of a file plays which role."""

    task: Annotated[str, tyro.conf.arg(name="columns.task")] = "task"
    """Column with the name of the process that a row was drawn from."""
    description: Annotated[str, tyro.conf.arg(name="columns.description")] = "description"
    """Column that describes the process; a row need not have it."""
    input: Annotated[str, tyro.conf.arg(name="columns.input")] = "input"
    """Column with what an output is conditioned on; a task's rows all have it, or none."""
    output: Annotated[str, tyro.conf.arg(name="columns.output")] = "output"
    """Column with what was drawn, a text or a whole number."""


@dataclass(frozen=True)
class DrawFile:
    """How rows become processes."""

    columns: DrawColumns = field(default_factory=DrawColumns)
    """Which column plays which role."""

    def read(self, path: str, flag: str) -> list[Process]:
        """The processes of a file, in the order of their first rows.

        Args:
            path: JSONL or Parquet.
            flag: the setting that names it, for errors.

        Raises:
            SteelyardError: the file is missing or malformed, or only some of a task's rows have an input.
        """
        require(bool(path), "is missing", where=flag, hint="name a .jsonl or .parquet file with task and output")
        names = self.columns
        wanted = (Column(names.task, "label", "--columns.task"), Column(names.output, "label", "--columns.output"))
        found: dict[str, list[Example]] = {}
        wordings: dict[str, dict[str, None]] = {}
        for place, row in read_rows(path):
            where = f"{path}, {place}"
            check_row(row, wanted, where)
            name = str(row[names.task])
            one = Example(str(row[names.output]), _said(row, names.input, where))
            rows = found.setdefault(name, [])
            alike = not rows or bool(rows[0].input) == bool(one.input)
            what = f"the first row of task {name!r} has {'no' if one.input else 'an'} input, and this one differs"
            require(alike, what, where=where, hint=f"write {names.input!r} in all rows of a task, or in none")
            rows.append(one)
            if described := _said(row, names.description, where):
                wordings.setdefault(name, {})[described] = None
        return [Process(name, (*wordings.get(name, ()),), tuple(rows)) for name, rows in found.items()]

    def targets(self, path: str, processes: Sequence[Process]) -> list[Target]:
        """What a file says of some of these processes.

        Raises:
            SteelyardError: the file is missing or malformed, names another process, or holds no distribution.
        """
        known = {process.name: process for process in processes}
        rows = read_rows(path)
        return [self._target(row, known, f"{path}, {place}") for place, row in rows]

    def _target(self, row: JsonMapping, known: dict[str, Process], where: str) -> Target:
        names = self.columns
        check_row(row, [Column(names.task, "label", "--columns.task")], where)
        name = str(row[names.task])
        hint = "give draws of it, or leave the row out"
        require(name in known, f"there are no draws of task {name!r}", where=where, hint=hint)
        asked = _said(row, names.input, where)
        alike = bool(asked) == bool(known[name].examples[0].input)
        hint = f"write {names.input!r} as the task's draws have it"
        require(alike, f"task {name!r} has {'no' if asked else 'an'} input in its draws", where=where, hint=hint)
        outputs, shares = row.get("outputs"), row.get("probabilities")
        fits = isinstance(outputs, list) and len({*map(str, outputs)}) == len(outputs) > 1
        hint = "write a list of two or more different outputs"
        require(fits, "column 'outputs' lists none, one, or one twice", where=where, hint=hint)
        assert isinstance(outputs, list)
        number = isinstance(shares, list) and all(type(share) in (int, float) and share >= 0 for share in shares)
        fits = number and len(shares) == len(outputs) and abs(sum(shares) - 1) < SAME  # pyright: ignore
        hint = "write a number for each output, of sum 1"
        require(fits, "column 'probabilities' is no distribution over the outputs", where=where, hint=hint)
        return Target(name, asked, tuple(map(str, outputs)), np.array(shares, np.float64))


def observed(process: Process, *, least: int, most: int) -> list[Target]:
    """The shares of a process's own draws, for each input with at least `least` of them and at most `most` outputs."""
    by_input: dict[str, Counter[str]] = {}
    for one in process.examples:
        by_input.setdefault(one.input, Counter())[one.output] += 1
    found = []
    for asked, counts in by_input.items():
        number = counts.total()
        if number >= least and len(counts) <= most:
            share_K = np.array([*counts.values()], np.float64) / number
            found.append(Target(process.name, asked, tuple(counts), share_K))
    return found


def _said(row: JsonMapping, column: str, where: str) -> str:
    """What stands in a column that may be missing; empty where nothing does."""
    value = row.get(column)
    if is_missing(value) or value == "":
        return ""
    check_row(row, [Column(column, "label")], where)
    return str(value)
