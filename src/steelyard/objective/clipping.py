"""The clipped surrogate of proximal policy optimisation, as weights of a likelihood.

    J   = min(rho A, clip(rho, 1 - eps, 1 + eps) A),    rho = pi(y_t) / mu(y_t)
    w_t = A rho where J is not clipped, 0 where it is

P prompts, G samples per prompt, T steps; mu is the behaviour policy. -stop_grad(w_t) log pi(y_t) has the gradient of
-J, not its value. A step is clipped where A > 0 and rho > 1 + eps, or A < 0 and rho < 1 - eps.
Log-ratios above 20 nats count as 20, as in the field's trainers: float32 holds no exp(89), and a loss that is
not finite ends a run.
Source: Schulman et al. 2017, arXiv:1707.06347.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Batch
from steelyard.objective.reduce import mean_steps, metric, steps_of

MOST_NATS = 20.0
"""Log-ratios above this count as this: exp(20) is 4.9e8."""


def exp_ratio(log_ratio: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The ratio of a log-ratio (nats), finite for each that is not NaN."""
    return log_ratio.clamp(max=MOST_NATS).exp()


def unclipped(
    advantage: Float[Tensor, "..."], ratio: Float[Tensor, "..."], clip: float
) -> tuple[Float[Tensor, "..."], Bool[Tensor, "..."]]:
    """The weights w of steps or of whole sequences, and where they are clipped. The ratio carries no gradient.

    >>> advantage, ratio = torch.tensor([1.0, 1.0, -1.0]), torch.tensor([1.5, 0.5, 0.5])
    >>> weight, clipped = unclipped(advantage, ratio, clip=0.2)
    >>> weight.tolist(), clipped.tolist()
    ([0.0, 0.5, 0.0], [True, False, True])
    """
    # The side on which a ratio is clipped is the side to which its advantage pushes.
    clipped = advantage.sign() * (ratio - 1) > clip
    return torch.where(clipped, 0.0, advantage * ratio), clipped


def clipped_advantage(
    batch: Batch, advantage_PG: Float[Tensor, "P G"], clip: float
) -> tuple[Float[Tensor, "P G T"], Mapping[str, float]]:
    """The step weights w, and the metrics `objective/clip_share` and `objective/ratio` (means per trajectory)."""
    gap_PGT = (batch.logp_PGT - batch.field("logp_behaviour_PGT")).detach()
    ratio_PGT = exp_ratio(gap_PGT.where(steps_of(batch), 0.0))
    weight_PGT, clipped_PGT = unclipped(advantage_PG[..., None], ratio_PGT, clip)
    metrics = {
        "objective/clip_share": metric(mean_steps(clipped_PGT.to(ratio_PGT.dtype), batch), batch.valid_PG),
        "objective/ratio": metric(mean_steps(ratio_PGT, batch), batch.valid_PG),
    }
    return weight_PGT, metrics
