"""How steps become sequences, sequences prompts, and prompts a batch: the one convention of averaging.

    mean over prompts with at least one counted sample of the mean over that prompt's counted samples

P prompts, G samples per prompt, T steps; K is G, or 1 where a prompt's samples make one comparison. Masks select, they
never multiply, so a NaN outside the mask reaches neither value nor gradient. A prompt with nothing counted has no
weight; the number of the others is the batch's weight, which is why micro-batches recombine exactly.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from steelyard.core import Batch


def steps_of(batch: Batch) -> Bool[Tensor, "P G T"]:
    """True at the actions of valid trajectories."""
    return batch.action_PGT & batch.valid_PG[..., None]


def sum_steps(x_PGT: Float[Tensor, "P G T"], batch: Batch) -> Float[Tensor, "P G"]:
    """Sum over the actions of each valid trajectory; 0 for the others."""
    return x_PGT.where(steps_of(batch), 0.0).sum(-1)


def mean_steps(x_PGT: Float[Tensor, "P G T"], batch: Batch) -> Float[Tensor, "P G"]:
    """Mean over the actions of each valid trajectory; 0 for the others and where there is no action."""
    return sum_steps(x_PGT, batch) / steps_of(batch).sum(-1).clamp(min=1)


def log_ratio(batch: Batch) -> Float[Tensor, "P G"]:
    """log pi(y) - log pi_ref(y) in nats, summed over actions; gradient reaches pi alone."""
    return sum_steps(batch.logp_PGT - batch.field("logp_ref_PGT").detach(), batch)


def mean_log_ratio(batch: Batch) -> Float[Tensor, "P G"]:
    """`log_ratio` divided by the number of actions (nats a step)."""
    return mean_steps(batch.logp_PGT - batch.field("logp_ref_PGT").detach(), batch)


def num_samples(mask_PK: Bool[Tensor, "P K"]) -> Int[Tensor, "P 1"]:
    """Number of each prompt's counted samples, at least 1: what their sum is divided by."""
    return mask_PK.sum(-1, keepdim=True).clamp(min=1)


def num_prompts(mask_PK: Bool[Tensor, "P K"]) -> float:
    """Number of prompts with at least one counted sample."""
    return float(mask_PK.any(-1).sum())


def prompt_mean(x_PK: Float[Tensor, "P K"], mask_PK: Bool[Tensor, "P K"]) -> Float[Tensor, "P 1"]:
    """Mean over each prompt's counted samples; 0 where there is none."""
    return x_PK.where(mask_PK, 0.0).sum(-1, keepdim=True) / num_samples(mask_PK)


def batch_mean(x_PK: Float[Tensor, "P K"], mask_PK: Bool[Tensor, "P K"]) -> Float[Tensor, ""]:
    """Mean over prompts of the mean over their counted samples; 0 if nothing is counted."""
    return prompt_mean(x_PK, mask_PK).sum() / max(num_prompts(mask_PK), 1.0)


def metric(x_PK: Float[Tensor, "P K"], mask_PK: Bool[Tensor, "P K"]) -> float:
    """`batch_mean` as a number, without gradient."""
    with torch.no_grad():
        return float(batch_mean(x_PK, mask_PK))
