"""Steps of a trajectory, each labelled at its last token: which token belongs to which, and sums over them.

    step of token t  =  number of labels before t;    a label is a `reward_PGT` that is not 0

P prompts, G samples per prompt, T steps (tokens); H = T places for labelled steps, of which the last ones stay empty.
What follows the last label belongs to no step: it stands at a place without a label.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from steelyard.core import Batch
from steelyard.objective.reduce import steps_of


def step_labels(batch: Batch) -> Float[Tensor, "P G T"]:
    """The labels at actions of valid trajectories, 0 elsewhere; no gradient."""
    return batch.field("reward_PGT").detach().where(steps_of(batch), 0.0)


def step_numbers(label_PGT: Float[Tensor, "P G T"]) -> Int[Tensor, "P G T"]:
    """The step that each token belongs to, counted from 0."""
    ends_PGT = (label_PGT != 0).long()
    return ends_PGT.cumsum(-1) - ends_PGT


def by_step(x_PGT: Float[Tensor, "P G T"], step_PGT: Int[Tensor, "P G T"]) -> Float[Tensor, "P G H"]:
    """The sum of x over the tokens of each step, step h at place h."""
    return torch.zeros_like(x_PGT).scatter_add(-1, step_PGT, x_PGT)
