"""Weak-to-strong: a strong network learns from a weak guard's labels, and ever more from what it is sure of itself.

Differs: the weight rises smoothly over the warm-up, where the authors' code jumps to its full size at the end. Steps
have one learning rate, where the code anneals it. The paper's settings are not confirmed here: we know of .75 for the
largest students, a warm-up of a fifth of the steps, and a threshold that half of the batch exceeds (`positives`).

    target_i = (1 - c) w_i + c [p_i >= tau],   c = confidence min(1, step / (warmup steps)),   p_i = sigma(z_i)
    tau      = quantile of p in the batch, so that as large a share is above as the mean of w (or a half)
    L        = mean_i -(target_i log p_i + (1 - target_i) log(1 - p_i)),   no gradient through the target
    PGR      = (student - weak) / (ceiling - weak), in accuracy; the ceiling is the same student taught the truth

N texts; z [N] are the student's log-odds, w [N] the weak guard's probabilities. Confidence 0 is plain fine-tuning.
Source: Burns et al. 2023, arXiv:2312.09390.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from steelyard.core import Positive, PositiveInt, Share, checked, method, require, rng
from steelyard.learner.fitting import Fitting


@method(
    "weak-to-strong",
    paper="arXiv:2312.09390",
    claim="A strong student of weak labels beats its teacher; its own confident guesses recover more of the gap.",
)
@checked()
@dataclass(frozen=True)
class WeakToStrong:
    """How a student learns from probabilities that a weak guard gives."""

    confidence: Share = 0.5
    """Weight c of the student's own hardened guesses, once it is warm; 0 believes the weak guard alone."""
    warmup: Share = 0.1
    """Share of the steps over which that weight rises from 0."""
    positives: Literal["weak", "half"] = "weak"
    """Share of a batch that is hardened to harmful: the mean of the weak guard's probabilities, or a half."""
    steps: PositiveInt = 500
    """Steps of AdamW."""
    batch: PositiveInt = 32
    """Texts in a step, drawn with replacement."""
    learning_rate: Positive = 3e-5
    """AdamW's learning rate."""

    def begin(
        self,
        module: nn.Module,
        log_odds: Callable[[Sequence[int]], Float[Tensor, "B"]],
        weak_N: Float[Tensor, "N"],
        *,
        seed: int,
    ) -> Fitting:
        """The student's fit before its first step.

        Args:
            module: the student.
            log_odds: its log-odds of the examples at these places, with a gradient.
            weak_N: what the weak guard says of every example, from 0 to 1.
            seed: of the batches.

        Raises:
            SteelyardError: there are no examples, or one of them has no probability.
        """
        require(len(weak_N) > 0, "there are no texts to learn from", where="weak-to-strong", hint="give some")
        fits = bool(((weak_N >= 0) & (weak_N <= 1)).all())
        require(fits, "a weak label is no probability", where="weak-to-strong", hint="give numbers from 0 to 1")
        draws = rng(seed, "weak-to-strong")

        def loss() -> Tensor:
            of = draws.integers(len(weak_N), size=self.batch).tolist()
            return self.loss(log_odds(of), weak_N[of], fitting.steps / fitting.num_steps)

        adam = torch.optim.AdamW(module.parameters(), lr=self.learning_rate, weight_decay=1e-2)
        fitting = Fitting(module, adam, loss, draws, self.steps)
        return fitting

    def loss(self, log_odds_N: Float[Tensor, "N"], weak_N: Float[Tensor, "N"], progress: float) -> Float[Tensor, ""]:
        """The loss of a batch when this share of the steps is done (nats)."""
        weak_N = weak_N.to(log_odds_N)
        target_N = torch.lerp(weak_N, self.hardened(log_odds_N, weak_N), self.weight(progress))
        return binary_cross_entropy_with_logits(log_odds_N, target_N)

    def weight(self, progress: float) -> float:
        """c: how much the student's own guesses count when this share of the steps is done."""
        return self.confidence * (min(1.0, progress / self.warmup) if self.warmup else 1.0)

    @torch.no_grad()
    def hardened(self, log_odds_N: Float[Tensor, "N"], weak_N: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
        """The student's own guesses, 0 or 1: as many are 1 as the weak labels say, or half."""
        share = weak_N.mean() if self.positives == "weak" else weak_N.new_tensor(0.5)
        return (log_odds_N >= torch.quantile(log_odds_N, 1 - share)).to(log_odds_N.dtype)


def gap_recovered(weak: float, student: float, ceiling: float) -> float | None:
    """PGR: the share of the gap between weak guard and ceiling that the student closes; None where there is no gap."""
    return (student - weak) / (ceiling - weak) if ceiling > weak else None
