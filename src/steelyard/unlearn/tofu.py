"""The TOFU audit: what a model still says to questions, for each part of a file (to be forgotten, to be kept, ...).

    p(y) = exp(mean over y's tokens of log pi),    R = geometric mean of p(wrong) / p(right)
    choice = mean of p(right) / (p(right) + sum of p(wrong)),    truth = mean of max(0, 1 - R)
    utility = harmonic mean of probability, accuracy and truth

Differs: see `steelyard.unlearn.audit`, which computes it. Without wrong answers there is no choice and no truth, and
utility is of the other two. The paper's utility is over three parts that should be kept; here each part has its own.
Source: Maini et al. 2024, arXiv:2401.06121.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from steelyard.core import PositiveInt, method, require
from steelyard.core.columns import Column
from steelyard.core.table import Measure, Table
from steelyard.policy import Policy
from steelyard.policy.auditor import Auditor, PlacedRow
from steelyard.task.answered import Answered, AnsweredFile, same_number_of_wrong
from steelyard.unlearn.audit import Audit, audit, recall, utility
from steelyard.unlearn.two_sided_audit import question

MEASURES = (
    Measure("questions", "number", "Rows of this part."),
    Measure("probability", "share", "Mean p(right)."),
    Measure("accuracy", "share", "Greedy answers that equal the right one, token by token."),
    Measure("repetition", "share", "Pairs of tokens in greedy answers that occurred before in them."),
    Measure("choice", "share", "p(right) beside the wrong answers'."),
    Measure("truth", "share", "max(0, 1 - R): 0 where nothing is known."),
    Measure("utility", "share", "Harmonic mean of probability, accuracy and truth."),
)
WHOLE = "all"
"""The name of the part where a file names none."""


@method("tofu", paper="arXiv:2401.06121", claim="one table tells what is forgotten from what is kept")
@dataclass(frozen=True)
class TOFU(Auditor):
    """Settings of the audit."""

    max_completion_length: PositiveInt = 64
    """Most tokens of a greedy answer; fewer where the model's context ends before."""
    part_column: str = "part"
    """Column with the part that a row belongs to, such as forget or retain; a file need not have it."""
    file: Annotated[AnsweredFile, tyro.conf.OmitArgPrefixes] = field(default_factory=AnsweredFile)
    """How rows become prompts and answers."""

    def columns(self) -> tuple[Column, ...]:
        """Prompt and right answer; perhaps wrong ones, and the part."""
        (prompt, *_) = self.file.columns.prompts
        (answer, *_) = self.file.columns.answers
        wrong = Column(self.file.columns.wrong, "texts")
        return Column(prompt), Column(answer), wrong, Column(self.part_column, "label")

    def audit(self, policy: Policy, rows: Sequence[PlacedRow]) -> Table:
        """One row of the table for each part, in the order of their names.

        Raises:
            SteelyardError: there are no rows, one has no prompt or answer, or they differ in how many are wrong.
        """
        require(len(rows) > 0, "there are no rows", where="tofu", hint="give at least one question")
        parts: dict[str, list[Answered]] = {}
        for place, row in rows:
            parts.setdefault(str(row.get(self.part_column) or WHOLE), []).append(self.file.answered(row, place))
        for name, part in parts.items():
            same_number_of_wrong(part, f"part {name}")
        return Table(MEASURES, tuple((name, self._measured(policy, parts[name])) for name in sorted(parts)))

    def _measured(self, policy: Policy, part: Sequence[Answered]) -> tuple[float | int | None, ...]:
        asked = [question(policy, row) for row in part]
        longest = max(int((~one.right.action_T).sum()) for one in asked)
        left = policy.context_length - longest
        hint = "take a model with a longer context"
        require(left > 0, f"a prompt has {longest} tokens, and the context ends", where="tofu", hint=hint)
        measure = audit if part[0].wrong else recall
        found = measure(policy, asked, max_tokens=min(self.max_completion_length, left))
        choice, truth = (found.choice, found.truth) if isinstance(found, Audit) else (None, None)
        useful = utility([x for x in (found.probability, found.accuracy, truth) if x is not None])
        return len(part), found.probability, found.accuracy, found.repetition, choice, truth, useful
