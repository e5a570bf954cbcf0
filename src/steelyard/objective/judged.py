"""Samples under judges: which rows are samples, which of them keep every constraint, and which are the best.

    sample     valid, and not a demonstration: a known response in a group is no draw of the policy
    passes     J = 1: every judge that looked at it says that its constraint is kept

P prompts, G samples per prompt. Masks select; ties are kept together, so the order of a group does not matter.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Batch
from steelyard.objective.reduce import log_ratio, metric


def samples_of(batch: Batch) -> Bool[Tensor, "P G"]:
    """True at valid trajectories that a policy sampled."""
    return batch.valid_PG & ~batch.label("demonstration")


def highest(x_PG: Float[Tensor, "P G"], mask_PG: Bool[Tensor, "P G"]) -> Bool[Tensor, "P G"]:
    """True where x is the highest of its prompt's entries in the mask; nowhere in a prompt without any."""
    top_P1 = x_PG.detach().where(mask_PG, -torch.inf).amax(-1, keepdim=True)
    return mask_PG & (x_PG.detach() >= top_P1)


def judged_metrics(batch: Batch, mask_PG: Bool[Tensor, "P G"]) -> dict[str, float]:
    """Of the samples in the mask, as means over prompts: the share that passes, and the drift from the reference."""
    passes_PG = batch.label("passes")
    return {
        "objective/passing": metric(passes_PG.to(batch.logp_PGT.dtype), mask_PG),
        "objective/kl": metric(log_ratio(batch), mask_PG),
    }
