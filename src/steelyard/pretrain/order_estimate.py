"""What a run would have come to in another order of its batches, by expansions around the run that was made.

    reference   theta_{t+1} = theta_t - eta G_t(g(theta_t, B_t))       g the gradient, G_t the optimizer's direction
    estimate    gamma_{t+1} = gamma_t - eta G_t(g_t),  gamma_0 = theta_0,  d = gamma_t - theta_t,  B = B_pi(t)
                g_t = g(theta_t, B) + g'(theta_t, B) d + 1/2 g''(theta_t, B) d^2

T^2 gradients g(theta_s, B_i) are kept, W numbers each: an estimate is vector arithmetic on these alone. Ways to take
the derivatives:

    none      not at all: g_t = g(theta_t, B)
    fut       the first, number by number:   g'  = (g(theta_t, B) - g(theta_{t-1}, B)) / (theta_t - theta_{t-1})
    fut++     also the second, likewise:     g'' = (g' at t - g' at t - 1) / (theta_t - theta_{t-1})
    span      the first along the whole path: d = sum_s c_s (theta_s - theta_t) + what is left, by least squares,
              g' d = sum_s c_s (g(theta_s, B) - g(theta_t, B))
    along     both by two more gradients at theta_t +- d / 10: it costs more than to train anew, for comparison

Differs: `span` is ours, and usual here, since it comes nearer than the paper's quotients from the same gradients. The
gradient is expanded and not the optimizer's update, whose moments follow the new order; with SGD that is the same. How
the paper treats moments is not confirmed. In fut and fut++ a quotient d / (theta_t - theta_{t-1}) is cut at `REACH`, as
numbers that hardly moved say nothing of their slope. Gradients are kept whole; the paper projects them at random.
Shapes: T batches and steps, W trained parameters.
Source: Yang et al. 2025, arXiv:2505.22042, by its reviews.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

Way = Literal["span", "fut", "fut++", "along", "none"]
"""How an estimate takes derivatives of the gradient."""
Gradient = Callable[[Float[Tensor, "W"], int], Float[Tensor, "W"]]
"""Parameters and the number of a batch -> the gradient of its loss."""
More = Callable[[int, int, Float[Tensor, "W"]], Float[Tensor, "W"]]
"""Step, batch and deviation -> what derivatives add to the gradient."""
EPS = 1e-8
REACH = 3.0
"""Path steps over which quotients extrapolate at most."""
ALONG = 0.1
"""Share of the deviation over which differences along it are taken."""
RIDGE = 1e-3
"""Of least squares over the path, as a share of the mean square of its distances."""


@runtime_checkable
class Rule(Protocol):
    """The direction of an optimizer, step by step from the first."""

    def direction(self, gradient_W: Float[Tensor, "W"]) -> Float[Tensor, "W"]:
        """What the learning rate multiplies at the next step."""
        ...


class SGD:
    """The gradient itself."""

    def direction(self, gradient_W: Float[Tensor, "W"]) -> Float[Tensor, "W"]:
        """It."""
        return gradient_W


class AdamRule:
    """Adam's direction, with its moments.

    Args:
        beta1: decay of the gradient's running mean.
        beta2: decay of the squared gradient's running mean.
    """

    def __init__(self, beta1: float, beta2: float) -> None:
        self._betas = (beta1, beta2)
        self._steps = 0
        self._mean_W: Tensor | None = None
        self._square_W: Tensor | None = None

    def direction(self, gradient_W: Float[Tensor, "W"]) -> Float[Tensor, "W"]:
        """m' / (sqrt(v') + eps)."""
        beta1, beta2 = self._betas
        self._steps += 1
        before_m = torch.zeros_like(gradient_W) if self._mean_W is None else self._mean_W
        before_v = torch.zeros_like(gradient_W) if self._square_W is None else self._square_W
        self._mean_W = beta1 * before_m + (1 - beta1) * gradient_W
        self._square_W = beta2 * before_v + (1 - beta2) * gradient_W.square()
        unbiased_W = self._mean_W / (1 - beta1**self._steps)
        return unbiased_W / ((self._square_W / (1 - beta2**self._steps)).sqrt() + EPS)


@dataclass(frozen=True)
class Training:
    """How batches are learned from, one after the other."""

    gradient: Gradient
    rule: Callable[[], Rule]
    """Makes the optimizer at its beginning."""
    learning_rate: float

    def run(self, start_W: Float[Tensor, "W"], order: Sequence[int]) -> list[Float[Tensor, "W"]]:
        """The parameters before the first step, and after each: T + 1 of them."""
        rule = self.rule()
        path = [start_W]
        for batch in order:
            gradient_W = self.gradient(path[-1], batch)
            path.append(path[-1] - self.learning_rate * rule.direction(gradient_W))
        return path


class Reference:
    """A run in order, and what it tells of other orders.

    Args:
        training: how it goes.
        start_W: the parameters where it begins.
        batches: T.
    """

    def __init__(self, training: Training, start_W: Float[Tensor, "W"], batches: int) -> None:
        self._training = training
        self._grams: dict[int, Tensor] = {}
        self.path = training.run(start_W, range(batches))
        self._gradient_TT = [[training.gradient(at_W, i) for i in range(batches)] for at_W in self.path[:-1]]

    def estimate(self, order: Sequence[int], way: Way) -> Float[Tensor, "W"]:
        """The parameters after the batches in another order; in its own they are the run's."""
        more: dict[Way, More] = {
            "span": self._span,
            "fut": partial(self._quotients, second=False),
            "fut++": partial(self._quotients, second=True),
            "along": self._along,
            "none": lambda t, batch, away_W: torch.zeros_like(away_W),
        }
        rule = self._training.rule()
        gamma_W = self.path[0]
        for t, batch in enumerate(order):
            gradient_W = self._gradient_TT[t][batch]
            away_W = gamma_W - self.path[t]
            if bool(away_W.any()):
                gradient_W = gradient_W + more[way](t, batch, away_W)
            gamma_W = gamma_W - self._training.learning_rate * rule.direction(gradient_W)
        return gamma_W

    def _span(self, t: int, batch: int, away_W: Float[Tensor, "W"]) -> Float[Tensor, "W"]:
        """What the first derivative adds along the path, all of it."""
        others = [s for s in range(len(self._gradient_TT)) if s != t]
        right_S = torch.stack([self._distance(s, t) @ away_W for s in others]).double()
        share_S = torch.linalg.solve(self._gram(t), right_S).to(away_W.dtype)
        here_W = self._gradient_TT[t][batch]
        found_W = torch.zeros_like(away_W)
        for share, s in zip(share_S, others, strict=True):
            found_W += share * (self._gradient_TT[s][batch] - here_W)
        return found_W

    def _distance(self, s: int, t: int) -> Float[Tensor, "W"]:
        return self.path[s] - self.path[t]

    def _gram(self, t: int) -> Float[Tensor, "S S"]:
        """Products of the path's distances from one point, with the ridge; made once."""
        if t not in self._grams:
            self._grams[t] = self._new_gram(t)
        return self._grams[t]

    def _new_gram(self, t: int) -> Float[Tensor, "S S"]:
        distances = [self._distance(s, t) for s in range(len(self._gradient_TT)) if s != t]
        gram_SS = torch.stack([torch.stack([one @ other for other in distances]) for one in distances]).double()
        return gram_SS + RIDGE * gram_SS.diagonal().mean() * torch.eye(len(distances), device=gram_SS.device)

    def _quotients(self, t: int, batch: int, away_W: Float[Tensor, "W"], *, second: bool) -> Float[Tensor, "W"]:
        """What derivatives add by the last steps of the path; there is one, as at first nothing is away."""
        turn_W = _cut(away_W, self._distance(t, t - 1))
        change_W = self._gradient_TT[t][batch] - self._gradient_TT[t - 1][batch]
        first_W = change_W * turn_W
        if not second or t < 2:
            return first_W
        ratio_W = _cut(self._distance(t, t - 1), self._distance(t - 1, t - 2))
        before_W = self._gradient_TT[t - 1][batch] - self._gradient_TT[t - 2][batch]
        return first_W + 0.5 * (change_W - before_W * ratio_W) * turn_W.square()

    def _along(self, t: int, batch: int, away_W: Float[Tensor, "W"]) -> Float[Tensor, "W"]:
        """What derivatives along the deviation add."""
        after_W, before_W = (self._training.gradient(self.path[t] + h * away_W, batch) for h in (ALONG, -ALONG))
        first_W = (after_W - before_W) / (2 * ALONG)
        return first_W + 0.5 * (after_W - 2 * self._gradient_TT[t][batch] + before_W) / ALONG**2


def _cut(away_W: Float[Tensor, "W"], step_W: Float[Tensor, "W"]) -> Float[Tensor, "W"]:
    """away / step within reach; 0 where there was no step."""
    return torch.where(step_W == 0, 0.0, away_W / step_W).clamp(-REACH, REACH)
