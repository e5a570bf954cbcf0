"""Gradient ascent: make the answers to be forgotten less likely, without a bound. With the retain loss: GradDiff.

Differs: one mean runs over forgotten and retained prompts; with equally many of both it is half the sum of the two
means. Log-probabilities are summed over tokens, so this is the limit of NPO at beta -> 0; other code often takes the
mean over tokens. The KL on retained prompts is estimated from samples of the reference.

    L_forget = mean over forgotten prompts of mean_j log pi(y_j|x)
    L = (F L_forget + retain R L_retain) / (F + R)

P prompts, F of them to be forgotten and R retained; G samples per prompt, T steps. Log-probabilities are sums over
actions (nats). `steelyard.unlearn.parts` has L_retain: with given answers of the retained prompts this is GA+RT
(GradDiff), with answers sampled from the model before unlearning GA+KL, with `retain` 0 GA alone. L has no lower bound.
Source: Jang et al. 2022, arXiv:2210.01504; the retain terms as in Maini et al. 2024, arXiv:2401.06121.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from steelyard.core import Batch, Loss, Needs, method
from steelyard.objective import policy_gradient
from steelyard.unlearn.parts import RetainWeight, forgotten, with_retained


@method("gradient-ascent", paper="arXiv:2210.01504", claim="a few steps of ascent make given texts unlikely")
@dataclass(frozen=True)
class GradientAscent:
    """Settings of gradient ascent."""

    needs: ClassVar[Needs] = Needs(labels=("retain",))

    retain: RetainWeight = 1.0
    """Coefficient of the retain loss; 0 learns from forgotten prompts alone."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs the label `retain`, and reports its terms."""
        return with_retained(policy_gradient(forgotten(batch), -torch.ones_like(batch.logp_PGT)), batch, self.retain)
