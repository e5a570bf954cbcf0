"""Ununlearning: what was removed from the weights is told again in the context, and a content filter that stops it.

    told(i)  = d_i x_i,    d_i a text that says what row i is about, x_i its question
    return   = accuracy on told prompts, against that on questions alone and that of the model before unlearning
    filtered = the same where a filter answers nothing to a text that it blocks

Even a model that never knew answers what it is told: so unlearning does not decide what a model does, and a filter is
needed beside it. What a filter costs are blocked prompts of rows that are to be kept, told in the same way. d_i is the
column definition, or else the row in its other words with its answer, or else the row itself.
Differs from `in-context`, whose context says nothing of the answer. The paper argues and measures nothing; the numbers,
the filter (`content_filter.py`) and what is told are ours. Its distinction of axioms, which may be kept, and theorems,
which follow from them, is left to what the user writes into definition; its formal definitions are unconfirmed.
Source: Shumailov et al. 2024, arXiv:2407.00106.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from steelyard.core import Share, method
from steelyard.core.columns import Column
from steelyard.core.table import Measure, Table
from steelyard.policy import Policy
from steelyard.policy.text import Text
from steelyard.task.answered import Answered
from steelyard.task.base import PlainText
from steelyard.unlearn.compared import Compared
from steelyard.unlearn.content_filter import ContentFilter
from steelyard.unlearn.in_context import told_before
from steelyard.unlearn.material import DEFINITION, FORGET, RECALLED, RETAIN, Material, recalled
from steelyard.unlearn.two_sided_audit import question

MEASURES = (
    *RECALLED,
    Measure("blocked", "share", "Prompts that the filter stops; they count as not answered where it is on."),
)


@method("ununlearning", paper="arXiv:2407.00106", claim="tells what returns with the context, and what a filter stops")
@dataclass(frozen=True)
class Ununlearning(Compared):
    """Tell what was forgotten before asking for it."""

    separator: PlainText = "\n\n"
    """Text after what is told, where it is made of a row and prompts are no chats."""
    threshold: Share = 0.5
    """Share of a question, by the weight of its words, beside which the filter blocks its answer; 0 blocks the answer
    wherever it stands."""

    def columns(self) -> tuple[Column, ...]:
        """Prompt and answer; perhaps what is told, wrong answers, other words, and the part."""
        *others, part = super().columns()
        return *others, Column(DEFINITION), Column(part.name, "label", labels=(FORGET, RETAIN))

    def lacks(self, material: Material) -> str:
        """Rows."""
        return "" if material.forget else "rows to be forgotten"

    def measure(self, policy: Policy, material: Material) -> Table:
        """Alone, told, and told with the filter on; the other models told; and what is to be kept, told likewise."""
        told = self._told(material, material.forget)
        stops = ContentFilter.of(material.forget, self.threshold)
        rows = {
            "alone": self._numbers(policy, material.forget, stops, on=False),
            "told": self._numbers(policy, told, stops, on=False),
            "told_filtered": self._numbers(policy, told, stops, on=True),
        }
        for name, one in (("original", material.original), ("retrained", material.retrained)):
            rows |= {} if one is None else {f"told_{name}": self._numbers(one, told, stops, on=False)}
        if material.retain:
            kept = self._told(material, material.retain)
            rows |= {f"kept_told{'_filtered' * on}": self._numbers(policy, kept, stops, on=on) for on in (False, True)}
        return Table(MEASURES, tuple(rows.items()))

    def _told(self, material: Material, rows: Sequence[Answered]) -> list[Answered]:
        """The rows' questions after what says their answers."""
        return [
            replace(row, prompt=replace(row.prompt, text=self._after(material.definitions.get(row.prompt.id), row)))
            for row in rows
        ]

    def _after(self, definition: str | None, row: Answered) -> Text:
        if definition is None:
            is_plain = isinstance(row.prompt.text, str)
            others = [prompt for prompt in row.reworded if isinstance(prompt.text, str) == is_plain]
            stated = replace(row, prompt=(*others, row.prompt)[0])
            return told_before([stated], row.prompt.text, self.separator)
        if isinstance(row.prompt.text, str):
            return definition + row.prompt.text
        *turns, last = row.prompt.text
        return [*turns, {**last, "content": f"{definition}{self.separator}{last['content']}"}]

    def _numbers(
        self, policy: Policy, rows: Sequence[Answered], stops: ContentFilter, *, on: bool
    ) -> tuple[float | int | None, ...]:
        """The numbers of `MEASURES`, where what is blocked counts as not answered if the filter is on."""
        passed = [row for row in rows if not (on and stops.blocks(row.prompt.text))]
        blocked = sum(stops.blocks(row.prompt.text) for row in rows) / len(rows)
        wrong = bool(rows[0].wrong)
        if not passed:
            return len(rows), 0.0, 0.0, 0.0 if wrong else None, blocked
        _, *shares = recalled(policy, [question(policy, row) for row in passed], self.max_completion_length)
        share = len(passed) / len(rows)
        return len(rows), *(None if x is None else x * share for x in shares), blocked
