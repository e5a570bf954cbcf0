"""Effective sample size: how many samples of the policy as it is now a step's samples of older policies are worth.

    w_i = pi(y_i | x_i) / mu(y_i | x_i) = exp( sum_t (log pi(y_it) - log mu(y_it)) )
    ESS = (sum_i w_i)^2 / sum_i w_i^2,    given as its share ESS / N

N trajectories of the batch that count, demonstrations left out: nobody sampled them. pi is the policy before the step,
mu the distribution that sampled, as the trajectory's log-probabilities say; t are actions. The share is 1 where the
policy has moved away from no sample more than from another, and 1 / N where a single sample has all the weight. The
weights are those of whole completions: long ones spread them, also where an objective weighs single tokens or
none at all. It is a gauge, and what an objective that scales its step is told. Under a decode rule mu is the policy
before the rule chose.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.core import Batch, Group, Trajectory


def log_ratios(batch: Batch, groups: Sequence[Group]) -> Float[Tensor, "N"]:
    """log w of the trajectories that count; `batch` holds those of `groups`."""
    gap_PGT = (batch.logp_PGT.detach() - batch.field("logp_behaviour_PGT")).double()
    sampled = [(p, g) for p, group in enumerate(groups) for g, t in enumerate(group) if _sampled(t)]
    at_N2 = torch.tensor(sampled, dtype=torch.long, device=gap_PGT.device).reshape(-1, 2)
    return gap_PGT.where(batch.action_PGT, 0.0).sum(-1)[at_N2[:, 0], at_N2[:, 1]]


def _sampled(trajectory: Trajectory) -> bool:
    return trajectory.valid and bool(trajectory.action_T.any()) and not trajectory.labels.get("demonstration", False)


def effective_share(ratios: Sequence[Float[Tensor, "_"]]) -> float | None:
    """ESS / N of the log ratios of a step's micro-batches; None where no trajectory counts, or no weight is above 0."""
    log_w_N = torch.cat([*ratios]) if ratios else torch.zeros(0)
    if not len(log_w_N) or torch.isneginf(log_w_N.max()):
        return None
    w_N = (log_w_N - log_w_N.max()).exp()  # a common factor changes nothing, and the largest weight is then 1
    return float(w_N.sum() ** 2 / (w_N**2).sum() / len(w_N))
