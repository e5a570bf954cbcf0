"""Soft-label distillation: a student learns the probabilities that a teacher gives, and perhaps also labels.

    L = mean over a batch of (1 - hard) KL(q || p) + hard CE(y, p),    p = sigma(z)

q is the teacher's probability of harm, y a label, z the student's log-odds. A batch is drawn with replacement, evenly
over the examples, or evenly over both labels (`balanced`). The learning rate rises over the warm-up and falls to 0, in
straight lines. N examples. It is the part that several methods share: `sparse-distil` has hard 0, `harmaug` one half.
Source: Hinton et al. 2015, arXiv:1503.02531, at temperature 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from steelyard.core import PositiveInt, Share, checked, require
from steelyard.learner.fitting import Fitting

LogOdds = Callable[[Sequence[int]], Float[Tensor, "B"]]
"""The student's log-odds of the examples at these places, with a gradient."""


@checked()
@dataclass(frozen=True)
class Distillation:
    """How a student learns from a teacher's probabilities."""

    hard: Share = 0.0
    """Weight of the labels; the teacher's probabilities have the rest."""
    balanced: bool = False
    """Draw as many harmful as harmless examples, as the labels have it."""
    steps: PositiveInt = 1000
    """Steps of Adam."""
    batch: PositiveInt = 256
    """Examples in a step, drawn with replacement."""
    warmup: Share = 0.06
    """Share of the steps over which the learning rate rises; it then falls to 0 at the end."""

    def begin(
        self,
        module: nn.Module,
        adam: torch.optim.Optimizer,
        log_odds: LogOdds,
        soft_N: Float[Tensor, "N"],
        harm_N: Bool[Tensor, "N"],
        *,
        learning_rate: float,
        draws: np.random.Generator,
        steps: int | None = None,
    ) -> Fitting:
        """The student's fit before its first step.

        Args:
            module: the student.
            adam: its optimizer.
            log_odds: what it says of examples.
            soft_N: what the teacher says of every example.
            harm_N: the label of every example.
            learning_rate: the highest.
            draws: of batches, and of whatever the student draws.
            steps: to make, in place of those of the settings.

        Raises:
            SteelyardError: there are no examples, or all have one label and are to be balanced.
        """
        require(len(soft_N) > 0, "there are no texts to learn from", where="distillation", hint="give some")
        chance_N = self.chances(harm_N)
        num_steps = steps or self.steps

        def loss() -> Tensor:
            of = draws.choice(len(soft_N), size=self.batch, p=chance_N)
            return self.loss(log_odds(of.tolist()), soft_N[of], harm_N[of])

        return Fitting(
            module, adam, loss, draws, num_steps, rate=lambda step: learning_rate * self.rise((step + 0.5) / num_steps)
        )

    def loss(self, z_B: Float[Tensor, "B"], soft_B: Float[Tensor, "B"], harm_B: Bool[Tensor, "B"]) -> Float[Tensor, ""]:
        """The loss of a batch (nats)."""
        soft_B, hard_B = soft_B.to(z_B), harm_B.to(z_B)
        kl = binary_cross_entropy_with_logits(z_B, soft_B) - binary_cross_entropy(soft_B, soft_B)
        return (1 - self.hard) * kl + self.hard * binary_cross_entropy_with_logits(z_B, hard_B)

    def chances(self, harm_N: Bool[Tensor, "N"]) -> np.ndarray | None:
        """How likely each example is to be drawn; None where all are alike."""
        if not self.balanced:
            return None
        harmful = int(harm_N.sum())
        what = "all texts have one label, and are to be balanced"
        require(0 < harmful < len(harm_N), what, where="--balanced", hint="write --no-balanced")
        return np.where(harm_N.numpy(), 0.5 / harmful, 0.5 / (len(harm_N) - harmful))

    def rise(self, progress: float) -> float:
        """The learning rate as a share of the highest, when this share of the steps is done."""
        if progress < self.warmup:
            return progress / self.warmup
        return (1 - progress) / (1 - self.warmup) if self.warmup < 1 else 1.0
