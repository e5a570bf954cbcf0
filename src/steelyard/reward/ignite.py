"""IGNITE: a reward model is fitted so that its mean score hardly changes when its weights are moved a little.

Differs: ours is the pairs. The paper's surrogate g_b(x) is fitted to values of designs by their likelihood; here s_b is
a reward model, L the loss of a batch of pairs, and G the mean score of both sides. The pull of a pair's scores to 0
(`reward.bradley_terry`) fixes the level that G has beside. The gradients' norm is clipped with the penalty's in it.
lambda does not fall below 0, which the authors' code lets it.

    G(b)    = mean of s_b(x, y) over the batch           asked for: rho |v| <= eps,  v = dG/db
    b'      = b + r v / |v|,                             v' = dG/db at b'
    u       = (rho / r) (v' - v)                         the gradient of rho |v|, by a difference
    db      = dL/db + lambda u                           at b
    lambda <- max(0, lambda + eta (rho |v| - eps))       with eta = 0: IGNITE-2

b are the weights, |.| is over all of them. For a quadratic G the difference is the gradient itself, whatever r. Each
step costs two passes more. By the paper the worst change of G within rho of b is rho |v| to first order, so a search
that goes where G is high meets fewer scores that are an accident of b.
Source: Dao et al. 2024, arXiv:2503.04242, by the authors' code.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
import tyro
from torch import Tensor, nn

from steelyard.core import NonNegative, Positive, derive, method, require
from steelyard.policy.master_weights import has_master


@method(
    "ignite",
    paper="arXiv:2503.04242",
    claim="A surrogate whose mean prediction is flat in its weights lifts offline optimisers by up to 9.6 %.",
)
@dataclass(frozen=True)
class IGNITE:
    """How flat a reward model is to be."""

    radius: Annotated[NonNegative, tyro.conf.arg(name="ignite-radius")] = 0.05
    """rho: how far weights may move; 0 asks for nothing."""
    limit: Annotated[NonNegative, tyro.conf.arg(name="ignite-limit")] = 0.1
    """eps: by how much the mean score may change within the radius."""
    weight: Annotated[NonNegative, tyro.conf.arg(name="ignite-weight")] = 1e-3
    """lambda of the penalty at the start; 0, with a rate of 0, measures and changes nothing."""
    rate: Annotated[NonNegative, tyro.conf.arg(name="ignite-rate")] = 1e-3
    """eta, at which lambda rises while the limit is exceeded, and falls below it; 0 leaves it (IGNITE-2)."""
    step: Annotated[Positive, tyro.conf.arg(name="ignite-step")] = 0.05
    """r: length of the step by which the penalty's gradient is found."""
    along: Annotated[Literal["gradient", "random"], tyro.conf.arg(name="ignite-along")] = "gradient"
    """Direction of that step; a random one is the control: it says nothing of where G is sharp."""

    def begin(self, net: nn.Module, seed: int) -> "Flattening | None":
        """The penalty before the first step; None where nothing is asked.

        Raises:
            SteelyardError: the weights have 16 bits, which so small a step does not change.
        """
        if self.radius == 0:
            return None
        parameters = [p for p in net.parameters() if p.requires_grad]
        coarse = any(map(has_master, parameters))
        require(not coarse, "weights of 16 bits are too coarse", where="--ignite-radius", hint="use --dtype float32")
        return Flattening(self, parameters, self.weight, torch.Generator().manual_seed(derive(seed, "ignite")))


@dataclass
class Flattening:
    """The penalty while a network is fitted."""

    settings: IGNITE
    parameters: Sequence[nn.Parameter]
    weight: float
    """lambda as it is now."""
    draws: torch.Generator
    """Of random directions."""
    sharpness: list[float] = field(default_factory=list)
    """rho |v| of each step."""

    def add(self, mean: Callable[[], Tensor]) -> None:
        """Add lambda u to the gradients that the parameters have, and move lambda.

        Args:
            mean: G at the parameters as they are when it is called.
        """
        v = self._gradient(mean)
        norm = length(v)
        self.sharpness.append(self.settings.radius * norm)
        if self.weight > 0 and norm > 0:
            moved = self._moved_gradient(mean, self._direction(v))
            scale = self.weight * self.settings.radius / self.settings.step
            for p, before, after in zip(self.parameters, v, moved, strict=True):
                change = scale * (after - before)
                p.grad = change if p.grad is None else p.grad.add_(change)
        self.weight = max(0.0, self.weight + self.settings.rate * (self.sharpness[-1] - self.settings.limit))

    def _gradient(self, mean: Callable[[], Tensor]) -> list[Tensor]:
        return [*torch.autograd.grad(mean(), self.parameters, allow_unused=True, materialize_grads=True)]

    def _direction(self, v: Sequence[Tensor]) -> list[Tensor]:
        if self.settings.along == "random":
            v = [torch.randn(part.shape, generator=self.draws).to(part) for part in v]
        return [part / length(v) for part in v]

    def _moved_gradient(self, mean: Callable[[], Tensor], direction: Sequence[Tensor]) -> list[Tensor]:
        """dG/db at b'; the parameters are put back bit for bit."""
        kept = [p.detach().clone() for p in self.parameters]
        with torch.no_grad():
            for p, part in zip(self.parameters, direction, strict=True):
                p.add_(part, alpha=self.settings.step)
        try:
            return self._gradient(mean)
        finally:
            with torch.no_grad():
                for p, before in zip(self.parameters, kept, strict=True):
                    p.copy_(before)


def length(parts: Sequence[Tensor]) -> float:
    """The norm of all parts together."""
    return float(torch.stack([part.norm() for part in parts]).norm())
