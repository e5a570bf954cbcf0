"""Adapt-then-Unlearn: a GAN moves away, in its weights, from what it becomes when it learns the undesired alone.

    adapt:    theta_i from theta_G,  GAN loss on undesired rows + ewc sum_p F_p (theta_p - theta_G,p)^2
    unlearn:  theta from theta_G,    GAN loss on desired rows + repel(d)
    d = mean over models i and parameter tensors of the mean of (theta - theta_i)^2
    repel:    el2  weight exp(-gamma d)       nl2  -gamma d       il2  gamma / d

The rows are the GAN's own, and somebody has marked which are undesired: no training data are needed. F_p is the mean
square of the gradient of the generator's loss at theta_G, one row at a time. The critic begins in both stages as the
trained one and learns on. N rows, X numbers; `gan.py` has the GAN loss.
Source: Tiwary, Guha, Panda and Prathosh 2023, arXiv:2309.14054; the forms of repel(d) and their constants (100 for el2)
from the released code.
Differs: d is the mean over models, where the code multiplies by half their number; the GAN is `gan.py`'s.
Unconfirmed: the paper's weights of each form and of EWC, and whose gradient its F_p takes.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
import tyro
from jaxtyping import Float
from torch import Tensor, nn

from steelyard.core import NonNegative, Positive, PositiveInt, derive, method, require
from steelyard.diffusion.gan import Gan, GanSettings, fooled
from steelyard.diffusion.players import Players

Numbers = Mapping[str, Tensor]
"""Parameter tensors by name."""


def slow() -> GanSettings:
    """How a trained GAN is tuned."""
    return GanSettings(learning_rate=3e-4)


@method(
    "adapt-unlearn",
    paper="arXiv:2309.14054",
    claim="A GAN trained away from its own undesired adaptation unlearns a class and keeps its quality.",
)
@dataclass(frozen=True)
class AdaptUnlearn:
    """Adapt copies of a GAN to the undesired, then train it on the desired, away from them."""

    gan: Annotated[GanSettings, tyro.conf.OmitArgPrefixes] = field(default_factory=slow)
    """Batch, learning rate and R1 of both stages; its sizes are those of the GAN that is given."""
    repel: Literal["el2", "nl2", "il2"] = "el2"
    """How the distance from adapted models is rewarded: exponentially, linearly, or by its inverse."""
    gamma: Positive = 1.0
    """Scale of the distance."""
    repel_weight: NonNegative = 100.0
    """Factor before el2; 0 is fine-tuning on the desired alone. nl2 and il2 have gamma alone."""
    adapted: PositiveInt = 5
    """Adapted models."""
    adapt_steps: PositiveInt = 200
    """Steps of each."""
    ewc: NonNegative = 10.0
    """Weight of the penalty that keeps an adapted model near the GAN."""
    fisher_rows: PositiveInt = 32
    """Rows that F is estimated from."""
    unlearn_steps: PositiveInt = 400
    """Steps of the second stage."""

    def begin(
        self,
        knowing: Gan,
        undesired_NX: Float[Tensor, "N X"],
        desired_MX: Float[Tensor, "M X"],
        *,
        seed: int,
        steps: int | None = None,
    ) -> tuple[Gan, Players]:
        """Adapt, and begin to unlearn; `knowing` stays as it is, and equal seeds give equal GANs.

        Args:
            knowing: the GAN, with its critic.
            undesired_NX: rows of it that are undesired.
            desired_MX: rows of it that are not.
            seed: of all draws.
            steps: of the second stage; None for as many as the settings say.
        """
        for what, rows in (("undesired", undesired_NX), ("desired", desired_MX)):
            require(len(rows) > 0, f"no row is {what}", where="adapt-unlearn", hint="mark at least one of either kind")
        away = [numbers(self.adapt(knowing, undesired_NX, derive(seed, "adapt", i))) for i in range(self.adapted)]
        gan = copy.deepcopy(knowing)

        def extra() -> Tensor:
            return self.repulsion(distance(gan.generator, away))

        players = self.gan.begin(gan, desired_MX, seed=seed, steps=steps or self.unlearn_steps, extra=extra)
        return gan, players

    def adapt(self, knowing: Gan, undesired_NX: Float[Tensor, "N X"], seed: int) -> Gan:
        """A copy that has learned the undesired alone."""
        gan = copy.deepcopy(knowing)
        near = numbers(knowing)
        weight = fisher(knowing, self.fisher_rows, seed)

        def extra() -> Tensor:
            own = dict(gan.generator.named_parameters())
            return self.ewc * torch.stack([(weight[k] * (own[k] - near[k]).square()).sum() for k in own]).sum()

        self.gan.begin(gan, undesired_NX, seed=seed, steps=self.adapt_steps, extra=extra).run()
        return gan

    def repulsion(self, apart: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """What the distance d adds to the loss."""
        if self.repel == "el2":
            return self.repel_weight * torch.exp(-self.gamma * apart)
        return -self.gamma * apart if self.repel == "nl2" else self.gamma / apart


def numbers(gan: Gan) -> Numbers:
    """A generator's parameter tensors as they are."""
    return {name: number.detach().clone() for name, number in gan.generator.named_parameters()}


def distance(generator: nn.Module, others: list[Numbers]) -> Float[Tensor, ""]:
    """d: from other generators, the mean over them and their tensors of the mean squared difference."""
    own = dict(generator.named_parameters())
    return torch.stack([(own[name] - other[name]).square().mean() for other in others for name in own]).mean()


def fisher(gan: Gan, rows: int, seed: int) -> Numbers:
    """F: how much the generator's loss depends on each number, from so many rows."""
    draws = torch.Generator().manual_seed(derive(seed, "fisher"))
    own = dict(gan.generator.named_parameters())
    found = {name: torch.zeros_like(number) for name, number in own.items()}
    for _ in range(rows):
        grads = torch.autograd.grad(fooled(gan, 1, draws), list(own.values()))
        for name, grad in zip(own, grads, strict=True):
            found[name] += grad.square() / rows
    return found


def extrapolated(knowing: Gan, adapted: Gan, gamma: float) -> Gan:
    """The paper's baseline: theta_G - gamma (theta_N - theta_G), without any training."""
    gan = copy.deepcopy(knowing)
    away = numbers(adapted)
    with torch.no_grad():
        for name, number in gan.generator.named_parameters():
            number.sub_(gamma * (away[name] - number))
    return gan
