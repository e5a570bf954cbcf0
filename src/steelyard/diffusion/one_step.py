"""A generator of one step: a denoiser that is asked once, for the clean row behind noise alone.

    G(c) = xhat(x, t_0, c),     x = sqrt(1 - abar_t0) z,     z ~ N(0, I)
    xhat(x, t, c) = (x - sqrt(1 - abar_t) eps(x, t, c)) / sqrt(abar_t)

N rows, X numbers, T denoising steps of the model that it was made of; t_0 is one place of its schedule.
Source: Zhou et al. 2024 (score identity distillation), arXiv:2404.04057, in the form of arXiv:2409.11219.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from steelyard.core import SteelyardError, derive
from steelyard.diffusion.generation import Diffusion, NoisePredictor
from steelyard.diffusion.prompted import PromptDenoiser
from steelyard.diffusion.schedule import NoiseSchedule


@dataclass(frozen=True)
class OneStep:
    """A noise predictor that generates in one step."""

    predictor: NoisePredictor
    schedule: NoiseSchedule
    size: int
    """X."""
    place: int
    """t_0; 0 is t = 1."""

    @property
    def places(self) -> tuple[int, ...]:
        """The place of the schedule at which it denoises."""
        return (self.place,)

    def rows(self, label_N: Int64[Tensor, "N"], *, seed: int) -> Float[Tensor, "N X"]:
        """A generated row for each class; equal seeds give equal rows."""
        draws = torch.Generator().manual_seed(derive(seed, "one step"))
        with torch.no_grad():
            return self.made(label_N, draws)

    def made(self, label_N: Int64[Tensor, "N"], draws: torch.Generator) -> Float[Tensor, "N X"]:
        """A generated row for each class; it carries the gradient."""
        bar = self.schedule.bar_T[self.place]
        noise_NX = (1 - bar).sqrt() * torch.randn(len(label_N), self.size, generator=draws)
        return clean(self.predictor, self.schedule, noise_NX, torch.full_like(label_N, self.place), label_N)


def clean(
    predictor: NoisePredictor,
    schedule: NoiseSchedule,
    noisy_NX: Float[Tensor, "N X"],
    place_N: Int64[Tensor, "N"],
    label_N: Int64[Tensor, "N"],
) -> Float[Tensor, "N X"]:
    """xhat: the clean rows that a predictor of noise believes in."""
    bar_N1 = schedule.bar_T[place_N][:, None]
    return (noisy_NX - (1 - bar_N1).sqrt() * predictor(noisy_NX, place_N, label_N)) / bar_N1.sqrt()


def place_of(schedule: NoiseSchedule, ratio: float) -> int:
    """The place of the schedule whose noise is nearest to `ratio` times its signal, on the log scale."""
    found_T = ((1 - schedule.bar_T) / schedule.bar_T).log() / 2
    return int((found_T - torch.tensor(ratio).log()).abs().argmin())


def reader_of(model: Diffusion | OneStep) -> PromptDenoiser:
    """The network of a model that reads prompts.

    Raises:
        SteelyardError: it knows classes by number.
    """
    if not isinstance(model.predictor, PromptDenoiser):
        what = "knows classes by number, and words are searched"
        raise SteelyardError(what, where="--model", hint="name a model that was trained with `prompts`")
    return model.predictor
