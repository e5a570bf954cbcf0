"""Supervised fine-tuning: the mean negative log-likelihood of a token.

    L = - sum_t log pi(y_t) / number of tokens,    over the actions of every valid trajectory

P prompts, G samples per prompt, T steps. Nats per token; the weight is the number of tokens, so long answers count more
and micro-batches recombine to the mean over all tokens. Rewards are not read: `valid_PG` says what is imitated.
Source: as in Ouyang et al. 2022, arXiv:2203.02155.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from steelyard.core import Batch, Loss, Needs, method
from steelyard.objective.kernels import weighted_likelihood
from steelyard.objective.reduce import steps_of


@method("sft", paper="arXiv:2203.02155")
@dataclass(frozen=True)
class SFT:
    """Supervised fine-tuning."""

    needs: ClassVar[Needs] = Needs()

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs nothing but log-probabilities and masks."""
        num_tokens = float(steps_of(batch).sum())
        return weighted_likelihood(batch, torch.ones_like(batch.logp_PGT), normaliser=num_tokens)
