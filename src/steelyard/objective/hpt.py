"""Hybrid post-training: a prompt that its own samples do not solve is learned from its demonstration, any other by RL.

Differs: the authors average the imitation loss over all tokens of a batch; here a demonstration's tokens are averaged
for each prompt, so that a batch may be cut between prompts. Their rewards are 0 and 1; any others work with gamma.

    P    = mean_j r_j over the prompt's own samples
    L(x) = L_SFT    = - mean_t log pi(y*_t)                                where P <= gamma
           L_RL     = - mean_j sum_t (r_j - mean_k r_k) log pi(y_jt) / max_length    elsewhere
    L    = mean over prompts of a L_RL or b L_SFT,    in gradient

P prompts, G samples per prompt, T steps; y* is the prompt's demonstration: a row of its group with the label
`demonstration`, which counts in no mean of rewards. Both losses are settings of `Unified`: pi as its own denominator,
all steps stable, and an advantage of one or of centred rewards. With gamma = 0 a prompt is imitated only where none of
its samples earned a reward; below 0 never, which is Dr. GRPO without a ratio. A prompt without a demonstration is
learned by RL; a prompt without a scored sample teaches nothing.
Our proof refutes one claim: after 50 steps HPT is 3.5 points below SFT and then Dr. GRPO, likely because all prompts of
a domain fail alike in its world, and imitating all of them at first is faster.
Source: Lv et al. 2025, arXiv:2509.04419.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from steelyard.core import Batch, Loss, Needs, NonNegative, PositiveInt, method
from steelyard.objective.advantage import centred, reward_of
from steelyard.objective.judged import samples_of
from steelyard.objective.kernels import weighted_likelihood
from steelyard.objective.reduce import num_prompts, num_samples, prompt_mean, steps_of


@method(
    "hpt",
    paper="arXiv:2509.04419",
    claim="choosing demonstrations or rollouts by each prompt's own success beats SFT, GRPO and SFT before GRPO",
)
@dataclass(frozen=True)
class HPT:
    """Hybrid post-training, with a switch for each prompt."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG",), demonstrations=True, on_policy=True, least_group=2)

    gamma: float = 0.0
    """Mean reward at or below which a prompt's demonstration takes the place of its samples; below 0 none does."""
    imitation: NonNegative = 1.0
    """b: weight of the imitation loss."""
    max_length: PositiveInt = 1
    """The constant length (tokens) that divides a sample's sum."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards and demonstrations.

        Metrics: `objective/imitated` the share of prompts that are learned from a demonstration, and
        `objective/solved` the mean reward of samples.
        """
        given_PG = batch.label("demonstration") & batch.valid_PG
        own_PG = samples_of(batch)
        solved_P1 = prompt_mean(reward_of(batch), own_PG)
        tried_P1 = own_PG.any(-1, keepdim=True)  # where every verdict failed, nobody knows whether it was solved
        imitated_P1 = given_PG.any(-1, keepdim=True) & tried_P1 & (solved_P1 <= self.gamma)
        length_PG = steps_of(batch).sum(-1).clamp(min=1)
        imitation_PG = self.imitation / length_PG / num_samples(given_PG)
        advantage_PG = centred(reward_of(batch), own_PG) / self.max_length / num_samples(own_PG)
        weight_PG = torch.where(imitated_P1, imitation_PG.where(given_PG, 0.0), advantage_PG)
        total = num_prompts(own_PG)
        metrics = {
            "objective/imitated": float(imitated_P1.sum()) / max(total, 1.0),
            "objective/solved": float(solved_P1.sum()) / max(total, 1.0),
        }
        return weighted_likelihood(
            batch, weight_PG[..., None].expand_as(batch.logp_PGT), normaliser=total, metrics=metrics
        )
