"""All audits of forgetting in one table: a model beside the one before unlearning and one that never knew.

    table[m, c] = the number c of its audit for model m; empty where that audit lacks something

No audit is enough: a model that answers nothing may still hold every fact in its states (`truly-forgetting`) and in its
weights (`conceptvectors`), may say it in other words (`reworded`), when it is told (`in-context`, `ununlearning`), or
after a few steps (`unalignment`). Good unlearning is near the retrained model in every column. The settings are those
of the audits by themselves, but for what they share. Source: that of each audit; the table is ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from steelyard.core import Positive, PositiveInt, ShareAboveZero, method
from steelyard.core.columns import Column
from steelyard.core.table import Measure, Table
from steelyard.policy import Policy
from steelyard.task.base import PlainText
from steelyard.unlearn.audit import answers_logp, forget_quality, truth_ratio, utility
from steelyard.unlearn.compared import Compared
from steelyard.unlearn.conceptvectors import ConceptVectors
from steelyard.unlearn.in_context import InContext
from steelyard.unlearn.material import DEFINITION, FORGET, HELD_OUT, RETAIN, ForgettingAudit, Material, recalled
from steelyard.unlearn.min_k import MinK
from steelyard.unlearn.reworded import Reworded
from steelyard.unlearn.truly_forgetting import TrulyForgetting
from steelyard.unlearn.two_sided_audit import question
from steelyard.unlearn.unalignment import Unalignment
from steelyard.unlearn.ununlearning import Ununlearning

Number = float | int | None
MEASURES = (
    Measure("forgotten", "share", "Prompts to be forgotten that are answered: 0 is best."),
    Measure("probability", "share", "Mean p(right) of prompts to be forgotten."),
    Measure("quality", "p-value", "Forget quality against the retrained model; 1 is best. Needs wrong answers."),
    Measure("kept", "share", "Prompts to be kept that are answered."),
    Measure("utility", "share", "Harmonic mean of probability, accuracy (and truth) of what is to be kept."),
    Measure("reworded", "share", "Prompts to be forgotten in other words that are answered."),
    Measure("in_context", "share", "Those answered after other forgotten rows."),
    Measure("told", "share", "Those answered after a text that says the answer."),
    Measure("membership", "share", "AUC of telling what was forgotten from what was never seen; half is best."),
    Measure("knn", "share", "Answers that the nearest hidden states vote for."),
    Measure("probe", "share", "Answers that a linear probe reads off the hidden states."),
    Measure("cka_original", "share", "Likeness of its hidden states to those of the model before unlearning."),
    Measure("cka_retrained", "share", "Likeness of its hidden states to those of the retrained model."),
    Measure("traces", "share", "Jaccard of what the value vectors that held the answers speak for, with before."),
    Measure("recovered", "share", "Other prompts answered after tuning on a few pairs, the mean over how many."),
    Measure("half", "number", "Fewest pairs that bring out half of the others; empty where none do."),
)


@method("all-audits", claim="one table says what each kind of audit sees and the others miss")
@dataclass(frozen=True)
class AllAudits(Compared):
    """Every audit of forgetting, side by side."""

    min_k: ShareAboveZero = MinK.k
    """Share of an answer's tokens, the least likely ones, by which membership is inferred."""
    separator: PlainText = InContext.separator
    """Text after each row that is told before a prompt, where prompts are no chats."""
    pairs: PositiveInt = Unalignment.most
    """Most pairs that a copy is tuned on; at most half of the rows."""
    steps: PositiveInt = Unalignment.steps
    """Steps of that."""
    learning_rate: Positive = Unalignment.learning_rate
    """Learning rate of that: what fine-tuning takes on such a model."""

    def columns(self) -> tuple[Column, ...]:
        """Prompt and answer; perhaps what is told, wrong answers, other words, and the part."""
        *others, part = super().columns()
        return *others, Column(DEFINITION), Column(part.name, "label", labels=(FORGET, HELD_OUT, RETAIN))

    def lacks(self, material: Material) -> str:
        """Two rows; what else is missing leaves columns empty."""
        return TrulyForgetting().lacks(material)

    def measure(self, policy: Policy, material: Material) -> Table:
        """A row for the model, and one for each that it is put beside."""
        beside = {"original": material.original, "retrained": material.retrained}
        models = {"model": policy} | {name: one for name, one in beside.items() if one is not None}
        return Table(MEASURES, tuple((name, self.numbers(one, material)) for name, one in models.items()))

    def numbers(self, policy: Policy, material: Material) -> tuple[Number, ...]:
        """One row of the table."""
        found = self._answers(policy, material)
        for audit, columns in self._audits():
            if not audit.lacks(material):
                table = audit.measure(policy, material)
                found |= {name: table.number(row, measure) for name, (row, measure) in columns.items()}
        return tuple(found.get(measure.name) for measure in MEASURES)

    def _audits(self) -> Sequence[tuple[ForgettingAudit, Mapping[str, tuple[str, str]]]]:
        """Each audit, and which of its numbers stand in which column."""
        most = self.max_completion_length
        attack = Unalignment(most, most=self.pairs, steps=self.steps, learning_rate=self.learning_rate)
        states = {name: (FORGET, name) for name in ("knn", "probe", "cka_original", "cka_retrained")}
        return (
            (Reworded(most), {"reworded": ("reworded", "accuracy")}),
            (InContext(most, separator=self.separator), {"in_context": ("forget_in_context", "accuracy")}),
            (Ununlearning(most, separator=self.separator), {"told": ("told", "accuracy")}),
            (MinK(most, k=self.min_k), {"membership": ("membership", "auc")}),
            (TrulyForgetting(most), states),
            (ConceptVectors(most), {"traces": ("mean", "jaccard")}),
            (attack, {"half": ("curve", "pairs"), "recovered": ("curve", "accuracy")}),
        )

    def _answers(self, policy: Policy, material: Material) -> dict[str, Number]:
        """What it says to the prompts as they stand."""
        asked = [question(policy, row) for row in material.forget]
        _, probability, forgotten, _ = recalled(policy, asked, self.max_completion_length)
        found: dict[str, Number] = {"forgotten": forgotten, "probability": probability}
        never_N = self._never(material)
        if never_N is not None:
            found["quality"] = forget_quality(truth_ratio(answers_logp(policy, asked)), never_N).pvalue
        if material.retain:
            kept = [question(policy, row) for row in material.retain]
            _, *shares = recalled(policy, kept, self.max_completion_length)
            found |= {"kept": shares[1], "utility": utility([x for x in shares if x is not None])}
        return found

    def _never(self, material: Material) -> Float64[np.ndarray, "N"] | None:
        """The truth ratios of the retrained model, where there is one and the rows have wrong answers."""
        if material.retrained is None or not material.forget[0].wrong:
            return None
        return truth_ratio(
            answers_logp(material.retrained, [question(material.retrained, row) for row in material.forget])
        )
