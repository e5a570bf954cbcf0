"""Labelled texts of several tasks, from a file: what one encoder with a head for each task learns from.

Rows have the columns `text`, `label` (a word or a whole number) and `task`; without a task all are of one, `texts`. A
task's labels are those that its rows have, sorted. The split is by hash of the text.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import torch
import tyro
from jaxtyping import Int64
from torch import Tensor

from steelyard.core import ShareInside, checked, require
from steelyard.core.columns import Column, check_row, text_of
from steelyard.core.json import JsonObject
from steelyard.guard.labelled import TextColumns, is_held_out
from steelyard.task.base import MERGED
from steelyard.task.columns import is_missing
from steelyard.task.files import DataRow, read_rows

ALONE = "texts"
"""The task of rows that name none."""
_NAME = re.compile(r"[A-Za-z0-9][\w-]*")


class TaskTexts(NamedTuple):
    """The texts of one task."""

    labels: tuple[str, ...]
    """Their names, by number."""
    texts: list[str]
    label_N: Int64[Tensor, "N"]

    def part(self, wanted: Sequence[int]) -> "TaskTexts":
        """Those at these places."""
        return TaskTexts(self.labels, [self.texts[i] for i in wanted], self.label_N[[*wanted]])


Tasks = Mapping[str, TaskTexts]
"""The tasks by name, in the order in which the file names them."""


@dataclass(frozen=True)
class TaskColumns(TextColumns):
    """Which column of a file plays which role."""

    task: Annotated[str, tyro.conf.arg(name="columns.task")] = "task"
    """Column with the name of the row's task; a row need not have it."""


@checked()
@dataclass(frozen=True)
class TaskFile:
    """How rows become the texts of tasks, and which of them are held out."""

    held_out_share: ShareInside = 0.2
    """Share of the texts that only evaluation sees."""
    columns: TaskColumns = field(default_factory=TaskColumns)
    """Which column plays which role."""

    def read(self, path: str) -> tuple[Tasks, Counter[str]]:
        """The texts of each task in order, of equal ones the first; and how many were merged.

        Raises:
            SteelyardError: the file is missing or malformed, a row has no text or label, a task's name has other than
                letters, digits, _ and -, or one text has two labels in one task.
        """
        hint = "name a .jsonl or .parquet file with text, label and task"
        require(bool(path), "is missing", where="--texts", hint=hint)
        found: dict[str, dict[str, str]] = {}
        rows = read_rows(path)
        for place, row in rows:
            where = f"{path}, {place}"
            text = text_of(row, Column(self.columns.text, setting="--columns.text"), where)
            label = self._label(row, where)
            agrees = found.setdefault(self._task(row, where), {}).setdefault(text, label) == label
            require(agrees, "its text has another label in an earlier row", where=where, hint="decide which is right")
        merged = len(rows) - sum(map(len, found.values()))
        tasks = {name: _of_labels(own) for name, own in found.items()}
        for name, task in tasks.items():
            what = f"all texts of task {name!r} have the label {task.labels[0]!r}"
            require(len(task.labels) > 1, what, where=path, hint="give texts of two labels or more")
        return tasks, Counter({MERGED: merged} if merged else {})

    def split(self, tasks: Tasks, path: str) -> tuple[Tasks, Tasks]:
        """Those to learn from, and those to measure by.

        Raises:
            SteelyardError: a task has none in one of the two.
        """
        parts: tuple[dict[str, TaskTexts], dict[str, TaskTexts]] = ({}, {})
        for name, task in tasks.items():
            held_out = [is_held_out(text, self.held_out_share) for text in task.texts]
            for part, wanted, to in zip(parts, (False, True), ("learn from", "measure by"), strict=True):
                part[name] = task.part([i for i, held in enumerate(held_out) if held == wanted])
                what = f"of {len(held_out)} texts of task {name!r} there is none to {to}"
                hint = "give more texts, or another --held-out-share"
                require(len(part[name].texts) > 0, what, where=path, hint=hint)
        return parts

    def _task(self, row: DataRow, where: str) -> str:
        column = self.columns.task
        if is_missing(row.get(column)):
            return ALONE
        name = text_of(row, Column(column, setting="--columns.task"), where)
        hint = "use letters, digits, _ and -"
        require(bool(_NAME.fullmatch(name)), f"its task {name[:40]!r} is no name", where=where, hint=hint)
        return name

    def _label(self, row: DataRow, where: str) -> str:
        value = row.get(self.columns.label)
        if isinstance(value, bool):
            return str(value).lower()
        check_row(row, [Column(self.columns.label, "label", setting="--columns.label")], where)
        return str(value).strip()


def _of_labels(own: Mapping[str, str]) -> TaskTexts:
    labels = tuple(sorted({*own.values()}))
    places = {label: i for i, label in enumerate(labels)}
    return TaskTexts(labels, [*own], torch.tensor([places[label] for label in own.values()], dtype=torch.int64))


def counted(train: Tasks, held_out: Tasks, notes: Counter[str]) -> JsonObject:
    """What data.json and the plan say of them."""
    own = {name: len(task.texts) for name, task in train.items()}
    asked = sum(len(task.texts) for task in held_out.values())
    return {"texts": sum(own.values()), "held_out": asked, **own, "notes": dict(notes)}
