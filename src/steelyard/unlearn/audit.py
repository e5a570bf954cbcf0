"""Audit what a model still knows: probabilities, truth ratios, forget quality, utility, repetition.

    p(y) = exp(mean over y's tokens of log pi),    R = geometric mean of p(wrong) / p(right): below 1 if it knows
    forget quality = p-value of the two-sample Kolmogorov-Smirnov test of R against a model retrained without the facts
    utility = harmonic mean of the abilities that the model should retain

Differs: the caller chooses whether the right answer is worded as it was learned; TOFU rephrases it. p(wrong) enters by
its geometric mean, as in the code of arXiv:2404.05868; TOFU takes the arithmetic mean. Accuracy is the share of
questions whose greedy completion equals the right answer token by token; TOFU uses ROUGE. Repetition is ours.
Source: Maini et al. 2024, arXiv:2401.06121. N questions; natural logarithms; the end of sequence is a token of y.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from steelyard.core import Trajectory, require
from steelyard.policy import Policy
from steelyard.policy.likelihood import num_actions, total_logp
from steelyard.rollout.greedy import greedy


@dataclass(frozen=True)
class Question:
    """A prompt with its right answer and wrong answers of the same form."""

    right: Trajectory
    wrong: tuple[Trajectory, ...]


@dataclass(frozen=True, kw_only=True)
class Recall:
    """What a model says to N questions."""

    probability: float
    """Mean p(right)."""
    accuracy: float
    """Share of questions whose greedy completion is the right answer."""
    repetition: float
    """Mean `repetition` of the greedy completions."""
    said: tuple[np.ndarray, ...]
    """The greedy completions: tokens, including the end of sequence."""


@dataclass(frozen=True, kw_only=True)
class Audit(Recall):
    """The results of an audit on N questions with wrong answers."""

    choice: float
    """Mean p(right) / (p(right) + sum of p(wrong))."""
    truth: float
    """Mean of max(0, 1 - R)."""
    ratio_N: Float64[np.ndarray, "N"]
    """R of each question."""


class Quality(NamedTuple):
    """The two-sample Kolmogorov-Smirnov test."""

    distance: float
    """Largest difference between the two cumulative distributions; 0 is best."""
    pvalue: float
    """Forget quality: the probability of so large a distance if the two distributions are equal; 1 is best."""


def recall(policy: Policy, questions: Sequence[Question], *, max_tokens: int) -> Recall:
    """What a model says to questions, with or without wrong answers; greedy completions have at most `max_tokens`."""
    rights = [question.right for question in questions]
    said = greedy(policy, rights, max_tokens)
    right = [np.array_equal(a, t.completion_T) for a, t in zip(said, rights, strict=True)]
    return Recall(
        probability=float(np.exp(mean_logp(policy, rights)).mean()),
        accuracy=float(np.mean(right)),
        repetition=float(np.mean([repetition(tokens) for tokens in said])),
        said=tuple(said),
    )


def audit(policy: Policy, questions: Sequence[Question], *, max_tokens: int) -> Audit:
    """Audit a model; greedy completions have at most `max_tokens` tokens.

    Raises:
        SteelyardError: there are no questions, or their numbers of wrong answers differ or are 0.
    """
    logp_NA = answers_logp(policy, questions)
    ratio_N = truth_ratio(logp_NA)
    found = recall(policy, questions, max_tokens=max_tokens)
    p_NA = np.exp(logp_NA)
    return Audit(
        **vars(found),
        choice=float((p_NA[:, 0] / p_NA.sum(1)).mean()),
        truth=float(np.maximum(0.0, 1 - ratio_N).mean()),
        ratio_N=ratio_N,
    )


def answers_logp(policy: Policy, questions: Sequence[Question]) -> Float64[np.ndarray, "N A"]:
    """log p of each question's A answers, the right one first (mean nats per token).

    Raises:
        SteelyardError: there are no questions, or their numbers of wrong answers differ or are 0.
    """
    numbers = {len(question.wrong) for question in questions}
    require(
        len(numbers) == 1 and 0 not in numbers,
        f"questions have {sorted(numbers)} wrong answers",
        where="audit",
        hint="give questions, each with as many wrong answers",
    )
    rows = [t for question in questions for t in (question.right, *question.wrong)]
    return mean_logp(policy, rows).reshape(len(questions), -1)


def truth_ratio(logp_NA: Float64[np.ndarray, "N A"]) -> Float64[np.ndarray, "N"]:
    """R of each question, from what `answers_logp` returns."""
    return np.exp(logp_NA[:, 1:].mean(1) - logp_NA[:, 0])


def mean_logp(policy: Policy, trajectories: Sequence[Trajectory]) -> Float64[np.ndarray, "N"]:
    """The mean log-probability of each trajectory's actions (nats per token)."""
    return total_logp(policy, trajectories) / num_actions(trajectories)


def repetition(tokens: np.ndarray, size: int = 2) -> float:
    """Share of a text's n-grams (n = `size`) that occurred before in it; 0 for a text without n-grams."""
    runs = [tuple(tokens[i : i + size].tolist()) for i in range(len(tokens) - size + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def forget_quality(ratio_N: Float64[np.ndarray, "N"], retrained_M: Float64[np.ndarray, "M"]) -> Quality:
    """Compare a model's truth ratios with those of a model retrained without the facts."""
    from scipy.stats import ks_2samp  # not above: every recipe imports this module, and scipy.stats takes half a second

    distance, pvalue = ks_2samp(ratio_N, retrained_M)
    return Quality(float(distance), float(pvalue))  # pyright: ignore[reportArgumentType]


def utility(shares: Iterable[float]) -> float:
    """The harmonic mean of shares in [0, 1]: if one ability is lost, it is 0."""
    from scipy.stats import hmean

    return float(hmean(list(shares)))
