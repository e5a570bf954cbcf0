"""The audits of an unlearning job that ask more than its prompts as they stand: which, with what, and their numbers.

    eval/reworded_...                              in other words
    eval/membership_auc                            min-k % probability against rows that were never seen
    eval/forget_alone_... eval/forget_in_context_...   after other forgotten rows
    eval/rest_before_... eval/rest_after_...       before and after a few of the rows were learned again

They take several times the passes of the other numbers, and relearning takes a copy of the weights with its optimizer:
a job makes them before its first step and after its last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steelyard.core import NonNegativeInt, Positive, PositiveInt, ShareAboveZero, checked
from steelyard.core.json import JsonObject
from steelyard.core.table import Table
from steelyard.policy import Policy
from steelyard.unlearn.in_context import InContext
from steelyard.unlearn.material import ForgettingAudit, Material
from steelyard.unlearn.min_k import MinK
from steelyard.unlearn.relearning import Relearning
from steelyard.unlearn.reworded import Reworded


@checked("audits")
@dataclass(frozen=True)
class ForgettingAudits:
    """Audits before the first step and after the last."""

    min_k: ShareAboveZero = MinK.k
    """Share of an answer's tokens, the least likely ones, by which membership is inferred."""
    examples: PositiveInt = InContext.examples
    """Forgotten rows that are told before each prompt, with their answers."""
    relearning_rows: PositiveInt = Relearning.rows
    """Forgotten rows that a copy of the model learns again; at most half."""
    relearning_steps: NonNegativeInt = Relearning.steps
    """Steps of that; 0 for none."""
    relearning_rate: Positive = Relearning.learning_rate
    """Learning rate of that: what fine-tuning takes on such a model."""

    def each(self, max_tokens: int) -> Sequence[ForgettingAudit]:
        """The audits; greedy answers have at most so many tokens."""
        return (
            Reworded(max_tokens),
            MinK(max_tokens, k=self.min_k),
            InContext(max_tokens, examples=self.examples),
            Relearning(
                max_tokens,
                rows=self.relearning_rows,
                steps=self.relearning_steps,
                learning_rate=self.relearning_rate,
            ),
        )

    def lacking(self, material: Material) -> list[str]:
        """What has to be given before all of them can be measured."""
        return [lacking for one in self.each(1) if (lacking := one.lacks(material))]

    def measure(self, policy: Policy, material: Material, max_tokens: int) -> JsonObject:
        """The numbers of those that lack nothing, named `eval/ROW_MEASURE`."""
        able = [one for one in self.each(max_tokens) if not one.lacks(material)]
        return {key: x for one in able for key, x in _named(one.measure(policy, material)).items()}


def _named(table: Table) -> Mapping[str, float | int]:
    """The numbers of a table but for those that count."""
    return {
        f"eval/{row}_{measure.name}": x
        for row, numbers in table.rows
        for measure, x in zip(table.measures, numbers, strict=True)
        if x is not None and measure.unit != "number"
    }
