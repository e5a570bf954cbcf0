"""Membership inference by min-k % probability: what was forgotten is told from what was never seen, or it is not.

    s(x, y) = mean of the ceil(k T) smallest log pi(y_t | x, y_<t),    AUC = P(s_forget > s_held-out) + P(equal) / 2

Half: it cannot. Above half the model still knows; below half it was pushed so far that this gives it away. T tokens of
the answer, its end of sequence included; log in nats. A share of tokens counts, at least one.
Differs: only the answer's tokens are counted, given the prompt; the paper scores whole texts.
Source: Shi et al. 2024, arXiv:2310.16789; against held-out texts as in MUSE (Shi et al. 2024, arXiv:2407.06460).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64

from steelyard.core import ShareAboveZero, Trajectory, method, pad
from steelyard.core.auc import auc
from steelyard.core.table import Measure, Table
from steelyard.learner import demonstration
from steelyard.policy import Policy
from steelyard.task.answered import Answered
from steelyard.unlearn.material import ForgettingAudit, Material

AT_ONCE = 32
"""Rows of a forward pass."""
MEASURES = (
    Measure("forgotten", "number", "Rows to be forgotten."),
    Measure("held_out", "number", "Rows that the model never saw."),
    Measure("auc", "share", "Pairs in which the row to be forgotten is the likelier; half where nobody can tell."),
    Measure("forgotten_logp", "nats", "Mean score of the rows to be forgotten."),
    Measure("held_out_logp", "nats", "Mean score of the others."),
)


@method("min-k", paper="arXiv:2310.16789", claim="half where what was forgotten looks as if it had never been seen")
@dataclass(frozen=True)
class MinK(ForgettingAudit):
    """Infer membership from the least likely tokens."""

    k: ShareAboveZero = 0.2
    """Share of an answer's tokens that count, the least likely ones; at least one."""

    def lacks(self, material: Material) -> str:
        """Both sides."""
        if not material.forget:
            return "rows to be forgotten"
        return "" if material.held_out else "rows that the model never saw (part held-out, or --held-out FILE)"

    def measure(self, policy: Policy, material: Material) -> Table:
        """One row, of both sides together."""
        forgotten, held_out = (self._scores(policy, rows) for rows in (material.forget, material.held_out))
        means = float(forgotten.mean()), float(held_out.mean())
        numbers = (len(forgotten), len(held_out), auc(forgotten, held_out), *means)
        return Table(MEASURES, (("membership", numbers),))

    def _scores(self, policy: Policy, rows: Sequence[Answered]) -> Float64[np.ndarray, "N"]:
        given = [demonstration(policy, row.prompt, row.answer) for row in rows]
        return np.array([least_likely(logp_T, self.k) for logp_T in token_logp(policy, given)])


def least_likely(logp_T: Float64[np.ndarray, "T"], k: float) -> float:
    """The mean of the smallest share `k` of the numbers, at least of one."""
    return float(np.sort(logp_T)[: math.ceil(k * len(logp_T))].mean())


@torch.no_grad()
def token_logp(policy: Policy, trajectories: Sequence[Trajectory]) -> list[Float64[np.ndarray, "T"]]:
    """The log-probability of each of a trajectory's actions (nats)."""
    found = []
    for start in range(0, len(trajectories), AT_ONCE):
        part = trajectories[start : start + AT_ONCE]
        batch = pad(part)
        logp_NT = policy.step_logp(batch.tokens_NT, batch.attend_NT, batch.action_NT).logp_NT.double().cpu()
        found += [row_T[action_T].numpy() for row_T, action_T in zip(logp_NT, batch.action_NT.cpu(), strict=True)]
    return found
