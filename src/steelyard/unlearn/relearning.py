"""Relearning: how fast knowledge comes back when a few of the forgotten rows are learned again.

    w' = w after n steps on L = - mean over all tokens of k rows' answers of log pi,    gain = (logp_w' - logp_w) / n

A copy of the model is fine-tuned on k rows to be forgotten, and asked for the rest before and after: what was hidden
comes back with them, what was erased does not. logp is the mean over the rest of the mean log-probability of a token of
the answer (nats). The k rows are the first by prompt id, at most half; a prompt that is among them is not in the rest.
With truth ratios of a model that never saw the rows, both have their forget quality (`steelyard.unlearn.audit`).
Differs: all k rows are in every step.
Source: the relearning attack of Hu et al. 2024, arXiv:2406.13356; as an audit in Lynch et al. 2024, arXiv:2402.16835.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from steelyard.core import NonNegativeInt, Positive, PositiveInt, method
from steelyard.core.table import Measure, Table
from steelyard.learner import Adam, Learner, demonstration
from steelyard.objective import SFT
from steelyard.policy import Policy
from steelyard.policy.running_copy import running_copy
from steelyard.task.answered import Answered
from steelyard.unlearn.audit import Question, answers_logp, forget_quality, mean_logp, truth_ratio
from steelyard.unlearn.material import RECALLED, ForgettingAudit, Material, recalled
from steelyard.unlearn.two_sided_audit import question

MEASURES = (
    *RECALLED,
    Measure("logp", "nats a token", "Mean log-probability of the right answers' tokens."),
    Measure("quality", "p-value", "Forget quality against a model that never saw the rows; 1 is best."),
    Measure("gain", "nats a token", "What a step of relearning adds to logp, the mean over the steps."),
)


class Split(NamedTuple):
    """The rows by their places in the material's `forget`."""

    learned: list[int]
    rest: list[int]


class Rest(NamedTuple):
    """What a model says to the rest."""

    recalled: tuple[float | int | None, ...]
    """The numbers of `RECALLED`."""
    logp: float
    quality: float | None


@method("relearning", paper="arXiv:2406.13356", claim="tells what was erased from what a few steps bring back")
@dataclass(frozen=True)
class Relearning(ForgettingAudit):
    """Learn a few rows again, and ask for the rest."""

    rows: PositiveInt = 8
    """Rows that are learned again; at most half."""
    steps: NonNegativeInt = 5
    """Steps, each on all of these rows; 0 measures nothing."""
    learning_rate: Positive = 1e-4
    """Of these steps: what fine-tuning takes on such a model."""

    def lacks(self, material: Material) -> str:
        """Rows to learn and rows to ask for, and steps."""
        if not self.steps:
            return "steps (relearning-steps is 0)"
        return "" if split_of(material.forget, self.rows).rest else "two rows to be forgotten with different prompts"

    def measure(self, policy: Policy, material: Material) -> Table:
        """The rest before and after."""
        split = split_of(material.forget, self.rows)
        asked = [question(policy, material.forget[i]) for i in split.rest]
        never_N = None if material.retrained_N is None else material.retrained_N[split.rest]
        before = self._numbers(policy, asked, never_N)
        lessons = [material.forget[i] for i in split.learned]
        taught = taught_again(policy, lessons, steps=self.steps, learning_rate=self.learning_rate)
        after = self._numbers(taught, asked, never_N)
        gain = (after.logp - before.logp) / self.steps
        told = (("rest_before", before, None), ("rest_after", after, gain))
        return Table(MEASURES, tuple((name, (*one.recalled, one.logp, one.quality, more)) for name, one, more in told))

    def _numbers(self, policy: Policy, asked: Sequence[Question], never_N: Float64[np.ndarray, "N"] | None) -> Rest:
        known = recalled(policy, asked, self.max_completion_length)
        logp = float(mean_logp(policy, [one.right for one in asked]).mean())
        quality = None
        if never_N is not None and asked[0].wrong:
            quality = forget_quality(truth_ratio(answers_logp(policy, asked)), never_N).pvalue
        return Rest(known, logp, quality)


def split_of(rows: Sequence[Answered], most: int) -> Split:
    """The first rows by prompt id are learned, at most half; a prompt that is among them is not in the rest."""
    order = sorted(range(len(rows)), key=lambda i: (rows[i].prompt.id, rows[i].answer))
    learned = order[: min(most, len(rows) // 2)]
    known = {rows[i].prompt.id for i in learned}
    return Split(learned, [i for i in order if rows[i].prompt.id not in known] if learned else [])


def taught_again(policy: Policy, rows: Sequence[Answered], *, steps: int, learning_rate: float) -> Policy:
    """A copy that has learned the rows, all of them in every step."""
    taught = running_copy(policy)
    learner = Learner(taught, SFT(), Adam(), learning_rate=learning_rate)
    groups = [[demonstration(policy, row.prompt, row.answer)] for row in rows]
    for _ in range(steps):
        learner.step(groups)
    return taught
