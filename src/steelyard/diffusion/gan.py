"""A small GAN: a generator of rows, and a critic that tells them from given ones.

    critic:     E softplus(-D(x)) + E softplus(D(G(z))) + r1/2 E |dD(x)/dx|^2
    generator:  E softplus(-D(G(z))),       z ~ N(0, I)

N rows, X numbers, Z latent numbers. Rows have no class: what a generator makes is all that it has learned.
Sources: Goodfellow et al. 2014, arXiv:1406.2661, in the form of StyleGAN2, arXiv:1912.04958. Differs: dense layers;
no style, no path-length penalty, no moving average of the generator; R1 at every step.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from steelyard.core import NonNegative, Positive, PositiveInt, checked, derive
from steelyard.diffusion.players import Player, Players

Extra = Callable[[], Tensor]
"""What is added to a generator's loss."""


@dataclass(frozen=True)
class Gan:
    """A generator with the critic that it was trained against."""

    generator: nn.Module
    critic: nn.Module
    latent: int
    """Z."""

    def rows(self, number: int, *, seed: int) -> Float[Tensor, "N X"]:
        """So many generated rows; equal seeds give equal rows."""
        draws = torch.Generator().manual_seed(derive(seed, "gan"))
        with torch.no_grad():
            return self.made(number, draws)

    def made(self, number: int, draws: torch.Generator) -> Float[Tensor, "N X"]:
        """So many generated rows; they carry the gradient."""
        return self.generator(torch.randn(number, self.latent, generator=draws))


@checked("gan")
@dataclass(frozen=True)
class GanSettings:
    """A GAN's sizes, and how it learns from rows."""

    latent: PositiveInt = 16
    """Latent numbers of a row."""
    width: PositiveInt = 128
    """Units of a layer, of the generator and of the critic."""
    train_steps: PositiveInt = 2000
    """Steps of the critic, and as many of the generator."""
    batch: PositiveInt = 64
    """Rows in a step."""
    learning_rate: Positive = 1e-3
    """Of Adam, for both."""
    r1: NonNegative = 0.3
    """Weight of the critic's squared gradient at given rows."""

    def new(self, size: int, *, seed: int) -> Gan:
        """An untrained GAN for rows of `size` numbers; equal seeds give equal ones."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "new gan"))
            generator = nn.Sequential(
                *_layer(self.latent, self.width), *_layer(self.width, self.width), nn.Linear(self.width, size)
            )
            critic = nn.Sequential(*_layer(size, self.width), *_layer(self.width, self.width), nn.Linear(self.width, 1))
        return Gan(generator, critic, self.latent)

    def begin(
        self, gan: Gan, data_NX: Float[Tensor, "N X"], *, seed: int, steps: int, extra: Extra | None = None
    ) -> Players:
        """The training of a GAN, in place, on given rows; `extra` joins the generator's loss."""
        draws = torch.Generator().manual_seed(derive(seed, "gan steps"))

        def judged() -> Tensor:
            real_BX = data_NX[torch.randint(len(data_NX), (self.batch,), generator=draws)].requires_grad_()
            with torch.no_grad():
                made_BX = gan.made(self.batch, draws)
            real_B = gan.critic(real_BX)
            slope_BX = torch.autograd.grad(real_B.sum(), real_BX, create_graph=True)[0]
            plain = softplus(-real_B).mean() + softplus(gan.critic(made_BX)).mean()
            return plain + self.r1 / 2 * slope_BX.square().sum(1).mean()

        def made() -> Tensor:
            return fooled(gan, self.batch, draws) + (torch.zeros(()) if extra is None else extra())

        players = {"critic": self._player(gan.critic, judged), "generator": self._player(gan.generator, made)}
        return Players(players, draws, steps)

    def fit(self, data_NX: Float[Tensor, "N X"], *, seed: int) -> Gan:
        """A GAN that was trained on rows from nothing."""
        gan = self.new(data_NX.shape[1], seed=seed)
        self.begin(gan, data_NX, seed=seed, steps=self.train_steps).run()
        return gan

    def _player(self, module: nn.Module, loss: Callable[[], Tensor]) -> Player:
        return Player(module, torch.optim.Adam(module.parameters(), lr=self.learning_rate, betas=(0.0, 0.99)), loss)


def fooled(gan: Gan, number: int, draws: torch.Generator) -> Float[Tensor, ""]:
    """The generator's loss on so many rows."""
    return softplus(-gan.critic(gan.made(number, draws))).mean()


def _layer(size: int, width: int) -> list[nn.Module]:
    return [nn.Linear(size, width), nn.LeakyReLU(0.2)]
