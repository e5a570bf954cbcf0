"""The audit of an unlearning run: what is to be forgotten, what is to be kept, and the utility that is left.

eval/forget_... and eval/retain_...     probability, accuracy, repetition; truth and choice with wrong answers
eval/utility                            harmonic mean of the retained prompts' probability, accuracy (and truth)
eval/forget_quality, eval/distance      against a model that was retrained without what is to be forgotten
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from steelyard.core.json import JsonObject
from steelyard.learner import demonstration
from steelyard.policy import Policy
from steelyard.task.answered import Answered
from steelyard.unlearn.audit import (
    Audit,
    Question,
    Recall,
    answers_logp,
    audit,
    forget_quality,
    recall,
    truth_ratio,
    utility,
)

SHOWN = 4
"""Prompts of each part whose greedy answers are kept to read."""


@dataclass(frozen=True)
class Part:
    """Prompts of one file, as rows and as questions."""

    rows: tuple[Answered, ...]
    questions: tuple[Question, ...]

    @classmethod
    def of(cls, policy: Policy, rows: Sequence[Answered]) -> "Part":
        """The rows in a policy's tokens."""
        return cls(tuple(rows), tuple(question(policy, row) for row in rows))


def question(policy: Policy, row: Answered) -> Question:
    """A row in a policy's tokens."""
    right, *wrong = (demonstration(policy, row.prompt, text) for text in (row.answer, *row.wrong))
    return Question(right, tuple(wrong))


def truth_ratios_of(model: str, dtype: str, device: str, rows: Sequence[Answered]) -> Float64[np.ndarray, "N"]:
    """The truth ratios of another model.

    Raises:
        SteelyardError: it cannot be loaded.
    """
    policy = Policy.load(model, dtype=dtype).placed(device)
    return truth_ratio(answers_logp(policy, [question(policy, row) for row in rows]))


@dataclass(frozen=True)
class TwoSidedAudit:
    """Audits a policy as it is; `parts` has "forget", and perhaps "retain"."""

    policy: Policy
    parts: Mapping[str, Part]
    max_tokens: int
    """Most tokens of a greedy answer."""
    retrained_N: Float64[np.ndarray, "N"] | None = None
    """Truth ratios of a model retrained without what is to be forgotten."""

    def __call__(self) -> tuple[JsonObject, list[JsonObject]]:
        """The numbers, and some greedy answers to read."""
        found = {name: self._recall(part) for name, part in self.parts.items()}
        row = {f"eval/{name}_{key}": value for name, one in found.items() for key, value in _numbers(one).items()}
        if "retain" in found:
            kept = found["retain"]
            row["eval/utility"] = utility([kept.probability, kept.accuracy, *_truths(kept)])
        forgotten = found["forget"]
        if self.retrained_N is not None and isinstance(forgotten, Audit):
            quality = forget_quality(forgotten.ratio_N, self.retrained_N)
            row |= {"eval/forget_quality": quality.pvalue, "eval/distance": quality.distance}
        return row, [sample for name, one in found.items() for sample in self._samples(name, one)]

    def _recall(self, part: Part) -> Recall:
        measure = audit if part.rows[0].wrong else recall
        return measure(self.policy, part.questions, max_tokens=self.max_tokens)

    def _samples(self, name: str, found: Recall) -> list[JsonObject]:
        rows = self.parts[name].rows[:SHOWN]
        said = [self.policy.decode(tokens) for tokens in found.said[:SHOWN]]
        return [
            {"prompt": row.prompt.text, "completion": text, "answer": row.answer, "part": name}
            for row, text in zip(rows, said, strict=True)
        ]


def _numbers(found: Recall) -> dict[str, float]:
    return {name: value for name, value in vars(found).items() if isinstance(value, float)}


def _truths(found: Recall) -> list[float]:
    return [found.truth] if isinstance(found, Audit) else []
