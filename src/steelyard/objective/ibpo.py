"""IBPO, inference budget-constrained policy optimisation: long answers go where they gain most, within a budget.

Differs: the source's constraint and its iterated fine-tuning are confirmed; the programme and its values are our
reading. There are two groups of answers, told apart by length; the programme allows any number. z may be a
fraction, so that prompts of equal gain share what is left and the budget is met for any number of prompts. The source's
warm-up, which teaches the long form, is a run of its own.

    maximise E[r]  subject to  P(y is long) <= q
    max_z sum_x z_x R_long(x) + (1 - z_x) R_short(x),    mean over prompts of z_x <= q,    0 <= z_x <= 1
    w_j = z_x / n_long for the best long answers, (1 - z_x) / n_short for the best short ones
    L   = - mean over prompts of sum_j w_j log pi(y_j|x)

P prompts, G samples per prompt, T steps; the mean runs over all prompts of a learner step. R is the mean reward of a
prompt's valid samples of a group; n counts those that share the highest reward there, if it is above `accepted`, else
the group teaches nothing. The budget goes to the largest gains R_long - R_short above 0. A prompt with short samples
alone has z = 0. One with long samples alone has an unknown gain: it takes of the budget what others leave, and the rest
of it teaches nothing. Where no answer is long it is fine-tuning on the best samples.
Source: Yu et al. 2025, arXiv:2501.17974, by accounts of it; its framework is that of arXiv:2409.20370.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, PositiveInt, Share, label, method
from steelyard.objective.advantage import reward_of
from steelyard.objective.judged import highest
from steelyard.objective.kernels import weighted_likelihood
from steelyard.objective.ranking import top_share
from steelyard.objective.reduce import metric, num_prompts, num_samples, prompt_mean, steps_of

label("assigned", axes="PG", kind=float, help="The sample's weight in imitation, assigned over the whole step.")


@method(
    "ibpo",
    paper="arXiv:2501.17974",
    claim="spends a budget of long answers on the prompts that gain by them: more accuracy at equal tokens",
)
@dataclass(frozen=True)
class IBPO:
    """Imitation of the best answers, long ones for as large a share of prompts as the budget allows."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG",), labels=("assigned",), least_group=2)
    marked: ClassVar[tuple[str, ...]] = ("assigned",)

    budget: Share = 0.5
    """q: the largest share of prompts that are to be answered at length."""
    short_length: PositiveInt = 256
    """The most tokens of a short answer; a longer one is long."""
    accepted: float = 0.0
    """Only samples whose reward is above this are imitated."""

    def mark(self, batch: Batch) -> dict[str, Tensor]:
        """What each sample weighs: `assigned`, which sums to at most 1 for each prompt."""
        reward_PG = reward_of(batch)
        long_PG = self._long(batch)
        short_PG = batch.valid_PG & ~long_PG
        z_P1 = allocation(self.gain(reward_PG, long_PG, short_PG), long_PG, short_PG, self.budget)
        weight_PG = torch.zeros_like(reward_PG)
        for share_P1, group_PG in ((z_P1, long_PG), (1 - z_P1, short_PG)):
            best_PG = highest(reward_PG, group_PG & (reward_PG > self.accepted))
            weight_PG = weight_PG + (share_P1 / num_samples(best_PG)).where(best_PG, 0.0)
        return {"assigned": weight_PG}

    def gain(
        self, reward_PG: Float[Tensor, "P G"], long_PG: Bool[Tensor, "P G"], short_PG: Bool[Tensor, "P G"]
    ) -> Float[Tensor, "P 1"]:
        """R_long - R_short: what decides who is given the budget."""
        return prompt_mean(reward_PG, long_PG) - prompt_mean(reward_PG, short_PG)

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards, and what `mark` has assigned.

        Metrics: `objective/long` the share of long samples, `objective/imitated` the share of prompts that is learned
        from, `objective/imitated_long` that of prompts learned at length, `objective/imitated_reward` the sum over
        samples of weight times reward; each a mean over prompts.
        """
        weight_PG = batch.label("assigned").to(batch.logp_PGT.dtype).where(batch.valid_PG, 0.0)
        long_PG = self._long(batch).to(weight_PG.dtype)
        parts = {"imitated": weight_PG, "imitated_long": weight_PG * long_PG}
        parts |= {"imitated_reward": weight_PG * reward_of(batch)}
        sums = {f"objective/{name}": _sum(x_PG, batch.valid_PG) for name, x_PG in parts.items()}
        return weighted_likelihood(
            batch,
            weight_PG[..., None].expand_as(batch.logp_PGT),
            normaliser=num_prompts(batch.valid_PG),
            metrics={"objective/long": metric(long_PG, batch.valid_PG), **sums},
        )

    def _long(self, batch: Batch) -> Bool[Tensor, "P G"]:
        return steps_of(batch).sum(-1) > self.short_length


def allocation(
    gain_P1: Float[Tensor, "P 1"], long_PG: Bool[Tensor, "P G"], short_PG: Bool[Tensor, "P G"], budget: float
) -> Float[Tensor, "P 1"]:
    """z: the share of each prompt that is to be long, at most `budget` on average over prompts with any sample."""
    has_long_P1, has_short_P1 = (group_PG.any(-1, keepdim=True) for group_PG in (long_PG, short_PG))
    gain_P1 = gain_P1.where(has_short_P1, 0.0)
    asks_P1 = has_long_P1 & (~has_short_P1 | (gain_P1 > 0))
    places = budget * float((has_long_P1 | has_short_P1).sum())
    return top_share(gain_P1.T, asks_P1.T, places).T


def _sum(x_PG: Float[Tensor, "P G"], valid_PG: Bool[Tensor, "P G"]) -> float:
    """The sum over each prompt's samples, as a mean over prompts with a valid one."""
    return metric(x_PG.where(valid_PG, 0.0).sum(-1, keepdim=True), valid_PG.any(-1, keepdim=True))
