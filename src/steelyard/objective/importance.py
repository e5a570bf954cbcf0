"""Importance ratios of steps and of whole sequences, and the mask that discards those far from 1.

    token      rho_t = pi(y_t) / mu(y_t)
    sequence   rho_t = pi(y|x) / mu(y|x), the product over the actions, the same at every step
    M(rho)     = rho where low <= rho <= high, 0 elsewhere

P prompts, G samples per prompt, T steps; mu is the policy that sampled. No gradient passes, and log-ratios above 20
nats count as 20. The ratio of a step ignores that the steps before it were drawn from mu, too: it is biased where pi
has moved. The ratio of a sequence is not, and varies the more the longer the sequence is.
"""

from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Batch
from steelyard.objective.clipping import exp_ratio
from steelyard.objective.reduce import mean_steps, metric, steps_of

Level = Literal["token", "sequence"]


def log_importance(batch: Batch) -> Float[Tensor, "P G T"]:
    """log rho of each action (nats), 0 elsewhere; no gradient.

    Raises:
        ValueError: the batch lacks `logp_behaviour_PGT`.
    """
    return _gap(batch, batch.logp_PGT, batch.field("logp_behaviour_PGT"))


def importance_ratio(batch: Batch, level: Level = "token") -> Float[Tensor, "P G T"]:
    """rho of the policy to the one that sampled; entries that are no action may be anything.

    Raises:
        ValueError: the batch lacks `logp_behaviour_PGT`.
    """
    gap_PGT = log_importance(batch)
    return exp_ratio(gap_PGT if level == "token" else gap_PGT.sum(-1, keepdim=True).expand_as(gap_PGT))


def step_ratio(
    batch: Batch, logp_PGT: Float[Tensor, "P G T"], base_PGT: Float[Tensor, "P G T"]
) -> Float[Tensor, "P G T"]:
    """The ratio of any two policies at each action, from their log-probabilities; 1 elsewhere."""
    return exp_ratio(_gap(batch, logp_PGT, base_PGT))


def masked(ratio: Float[Tensor, "..."], low: float, high: float) -> Float[Tensor, "..."]:
    """The ratio where it lies in [low, high], 0 elsewhere.

    >>> import torch
    >>> masked(torch.tensor([0.25, 0.5, 1.0, 6.0]), 0.5, 5.0).tolist()
    [0.0, 0.5, 1.0, 0.0]
    """
    return ratio.where((ratio >= low) & (ratio <= high), 0.0)


def step_mean(x_PGT: Float[Tensor, "P G T"] | Bool[Tensor, "P G T"], batch: Batch) -> float:
    """The mean over a trajectory's actions, then samples, then prompts, for metrics; of a mask, the share of true."""
    return metric(mean_steps(x_PGT.to(batch.logp_PGT.dtype), batch), batch.valid_PG)


def _gap(batch: Batch, logp_PGT: Float[Tensor, "P G T"], base_PGT: Float[Tensor, "P G T"]) -> Float[Tensor, "P G T"]:
    """The log-ratio of two policies at each action (nats), 0 elsewhere; no gradient."""
    return (logp_PGT - base_PGT).detach().where(steps_of(batch), 0.0)
