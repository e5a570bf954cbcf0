"""Advantages: what a sample's reward is worth against its own group.

    shaped:          R_j = r_j - beta stop_grad(log pi(y_j) - log pi_ref(y_j))
    centred:         R_j - mean_k R_k
    leave one out:   R_j - mean_{k != j} R_k = n/(n-1) centred_j
    standardised:    centred_j / (std_k R_k + eps)

P prompts, G samples per prompt; means and standard deviations run over a prompt's n valid samples. No gradient passes.
A sample without valid companions has advantage 0; so has every invalid one.
"""

from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Batch
from steelyard.objective.reduce import log_ratio, num_samples, prompt_mean

EPS = 1e-4
"""Added to a group's standard deviation, as GRPO does."""


def reward_of(batch: Batch) -> Float[Tensor, "P G"]:
    """The rewards of valid trajectories, 0 elsewhere."""
    return batch.field("reward_PG").detach().where(batch.valid_PG, 0.0)


def shaped_reward(batch: Batch, beta: float) -> Float[Tensor, "P G"]:
    """The reward minus beta times the log-ratio to the reference, which is needed only where beta is not 0."""
    reward_PG = reward_of(batch)
    return reward_PG if beta == 0 else reward_PG - beta * log_ratio(batch).detach()


def centred(x_PG: Float[Tensor, "P G"], valid_PG: Bool[Tensor, "P G"]) -> Float[Tensor, "P G"]:
    """Minus the mean over the prompt's valid samples.

    >>> import torch
    >>> reward_PG = torch.tensor([[1.0, 0.0, 0.5, 9.0]])
    >>> valid_PG = torch.tensor([[True, True, True, False]])
    >>> centred(reward_PG, valid_PG).tolist()
    [[0.5, -0.5, 0.0, 0.0]]
    """
    return (x_PG - prompt_mean(x_PG, valid_PG)).where(valid_PG, 0.0)


def leave_one_out(x_PG: Float[Tensor, "P G"], valid_PG: Bool[Tensor, "P G"]) -> Float[Tensor, "P G"]:
    """Minus the mean over the prompt's other valid samples.

    >>> import torch
    >>> leave_one_out(torch.tensor([[1.0, 0.0, 0.5]]), torch.ones(1, 3, dtype=torch.bool)).tolist()
    [[0.75, -0.75, 0.0]]
    """
    num_P1 = num_samples(valid_PG)
    return centred(x_PG, valid_PG) * num_P1 / (num_P1 - 1).clamp(min=1)


def standardised(x_PG: Float[Tensor, "P G"], valid_PG: Bool[Tensor, "P G"], eps: float) -> Float[Tensor, "P G"]:
    """Centred and divided by the population standard deviation plus eps."""
    centred_PG = centred(x_PG, valid_PG)
    return centred_PG / (prompt_mean(centred_PG.square(), valid_PG).sqrt() + eps)
