"""SFD, score forgetting distillation: a model becomes a generator of one step that has forgotten classes.

    G_theta(c) = xhat_theta(sqrt(1 - abar_t0) z, t_0, c)
    x_0 = G_theta(c_S),     x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) e
    psi:    E |e - eps_psi(x_t, t, c)|^2                                            x_0 without a gradient
    theta:  E (f(x_t, c_T) - f_psi(x_t, c_S)) . ((f(x_t, c_T) - x_0) - alpha (f(x_t, c_T) - f_psi(x_t, c_S))) / omega
    omega = mean over X of |f(x_t, c_T) - x_0|,  without a gradient, at least 1e-5

f is xhat of the model that knows, frozen, and f_psi that of a second network, which learns what the generator's rows
look like under noise. For a kept class c_T = c_S = c, weight 1; for one that is to be forgotten c_S is that class and
c_T a safe one, weight `forget_weight` in both losses. Both networks begin as the model that knows, and no image is
seen. Gradients pass through f and f_psi as functions of x_0. N rows in a batch, X numbers, C classes.
Source: Chen, Zhang and Zhou 2024, arXiv:2409.11219; weights, places and clipping from the released code.
Differs: places t are named by the ratio of noise to signal that they have in the paper's schedule, so that any schedule
serves; losses of kept and forgotten classes share one Adam step, as in the code; there is no moving average of theta.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from steelyard.core import NonNegative, Positive, PositiveInt, derive, method, require
from steelyard.diffusion.class_forgetting import ClassForgetting, ForgetClasses, Forgotten, drawn_from, network_of
from steelyard.diffusion.generation import Diffusion, NoisePredictor
from steelyard.diffusion.one_step import OneStep, clean, place_of
from steelyard.diffusion.players import Player, Players

SMALLEST = 1e-5
"""Of omega."""


@method(
    "sfd",
    paper="arXiv:2409.11219",
    claim="Distilling a diffusion model into one step, without data, forgets a class and keeps the quality of others.",
)
@dataclass(frozen=True)
class SFD(ClassForgetting):
    """Distil a model into one step, and have the scores of forgotten classes be those of safe ones."""

    alpha: NonNegative = 1.2
    """Weight of what the second network corrects."""
    forget_weight: NonNegative = 0.01
    """Weight of classes that are to be forgotten beside 1 for kept ones; 0 distils alone."""
    start: Positive = 2.5
    """Noise over signal at t_0."""
    least: Positive = 0.135
    """Noise over signal at the first place that is learned at."""
    most: Positive = 12.9
    """Noise over signal at the last."""
    forget_steps: PositiveInt = 400
    """Steps of each network."""
    faster: Positive = 1.0
    """The second network's learning rate, in that of the generator."""

    def __post_init__(self) -> None:
        ordered = self.least <= self.most
        what = f"is {self.least:g}, above --most {self.most:g}"
        require(ordered, what, where="--least", hint="lower it")

    def begin(self, knowing: Diffusion, request: ForgetClasses, *, seed: int, steps: int | None = None) -> Forgotten:
        """Copy the network twice, and begin."""
        turn = _Turn(self, knowing, request, torch.Generator().manual_seed(derive(seed, "sfd")))
        players = {
            "score": Player(turn.score, self._adam(turn.score, self.faster), turn.score_loss),
            "generator": Player(turn.network, self._adam(turn.network, 1.0), turn.generator_loss),
        }
        return Forgotten(turn.model, turn.network, Players(players, turn.draws, steps or self.forget_steps))

    def _adam(self, network: nn.Module, faster: float) -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), lr=self.learning_rate * faster, betas=(0.0, 0.999))

    def identity_loss(
        self,
        made_NX: Float[Tensor, "N X"],
        told_NX: Float[Tensor, "N X"],
        seen_NX: Float[Tensor, "N X"],
    ) -> Float[Tensor, ""]:
        """The generator's loss on its rows, and what the model that knows and the second network make of them."""
        omega_N1 = (told_NX - made_NX).abs().mean(1, keepdim=True).clamp(min=SMALLEST).detach()
        apart_NX = told_NX - seen_NX
        return (apart_NX * ((told_NX - made_NX) - self.alpha * apart_NX) / omega_N1).sum(1).mean()


class _Turn:
    """The two networks, and their losses on rows that are drawn anew for each."""

    def __init__(self, how: SFD, knowing: Diffusion, request: ForgetClasses, draws: torch.Generator) -> None:
        self.how = how
        self.knowing = knowing
        self.request = request
        self.draws = draws
        self.network = network_of(knowing)
        self.score = network_of(knowing)
        schedule = knowing.schedule
        self.model = OneStep(_predictor(self.network), schedule, knowing.size, place_of(schedule, how.start))
        self.places = (place_of(schedule, how.least), place_of(schedule, how.most) + 1)

    def score_loss(self) -> Tensor:
        """How badly the second network knows the generator's rows."""
        total = torch.zeros(())
        for weight, label_N, _ in self._classes():
            with torch.no_grad():
                made_NX = self.model.made(label_N, self.draws)
            noisy_NX, place_N, noise_NX = self._noised(made_NX)
            found_NX = self.score(noisy_NX, place_N, label_N)
            total = total + weight * (noise_NX - found_NX).square().sum(1).mean()
        return total

    def generator_loss(self) -> Tensor:
        """How far the generator's rows are from what the model that knows would make of them."""
        total = torch.zeros(())
        for weight, label_N, wanted_N in self._classes():
            made_NX = self.model.made(label_N, self.draws)
            noisy_NX, place_N, _ = self._noised(made_NX)
            told_NX = clean(self.knowing.predictor, self.knowing.schedule, noisy_NX, place_N, wanted_N)
            seen_NX = clean(_predictor(self.score), self.knowing.schedule, noisy_NX, place_N, label_N)
            total = total + weight * self.how.identity_loss(made_NX, told_NX, seen_NX)
        return total

    def _classes(self) -> list[tuple[float, Int64[Tensor, "N"], Int64[Tensor, "N"]]]:
        """Weight, classes that are made and classes that are wanted: of what is kept, and of what is forgotten."""
        kept_N = drawn_from(self.request.kept, self.how.batch, self.draws)
        found = [(1.0, kept_N, kept_N)]
        if self.how.forget_weight > 0:
            forget_N = drawn_from(self.request.forget, self.how.batch, self.draws)
            found.append((self.how.forget_weight, forget_N, self.request.instead(forget_N)))
        return found

    def _noised(self, made_NX: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        place_N = torch.randint(*self.places, (len(made_NX),), generator=self.draws)
        noise_NX = torch.randn(made_NX.shape, generator=self.draws)
        return self.knowing.schedule.noised(made_NX, place_N, noise_NX), place_N, noise_NX


def _predictor(network: nn.Module) -> NoisePredictor:
    assert isinstance(network, NoisePredictor)
    return network
