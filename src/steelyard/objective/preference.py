"""Who is compared with whom.

Pairs: of a prompt's two samples the one with the higher reward is chosen, and ties weigh 0.
Groups: a prompt's samples above its mean reward, and those below.
"""

from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Batch, require
from steelyard.objective.advantage import reward_of
from steelyard.objective.reduce import prompt_mean


def chosen_rejected(
    batch: Batch, score_PG: Float[Tensor, "P G"]
) -> tuple[Float[Tensor, "P 1"], Float[Tensor, "P 1"], Bool[Tensor, "P 1"]]:
    """The scores of the chosen and of the rejected sample, and a mask: true where both are valid and rewards differ.

    Raises:
        SteelyardError: the groups are not pairs.
    """
    num = score_PG.shape[1]
    require(num == 2, f"a preference method got groups of {num}", where="num_generations", hint="use 2")
    first_P1, second_P1 = reward_of(batch).split(1, dim=-1)
    wins_P1 = first_P1 > second_P1
    chosen_P1 = score_PG[:, :1].where(wins_P1, score_PG[:, 1:])
    rejected_P1 = score_PG[:, 1:].where(wins_P1, score_PG[:, :1])
    return chosen_P1, rejected_P1, batch.valid_PG.all(-1, keepdim=True) & (first_P1 != second_P1)


def above_and_below(batch: Batch) -> tuple[Bool[Tensor, "P G"], Bool[Tensor, "P G"], Bool[Tensor, "P 1"]]:
    """The samples above and below their prompt's mean reward, and a mask: true where there are some of both."""
    reward_PG = reward_of(batch)
    centre_P1 = prompt_mean(reward_PG, batch.valid_PG)
    won_PG = batch.valid_PG & (reward_PG > centre_P1)
    lost_PG = batch.valid_PG & (reward_PG < centre_P1)
    return won_PG, lost_PG, won_PG.any(-1, keepdim=True) & lost_PG.any(-1, keepdim=True)
