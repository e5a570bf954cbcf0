"""DDPM: a network learns to predict the noise that was added.

    L = mean over rows of |eps - eps_theta(sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps, t, c)|^2 / X

t is drawn alike from 1 ... T, eps from N(0, I); a label is dropped with a small chance, so that one network has both
the conditional and the unconditional noise. N rows, X numbers, C classes.
Source: Ho et al. 2020, arXiv:2006.11239. Differs: the cosine schedule, few steps, and a network for short rows.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated

import torch
import tyro
from jaxtyping import Float, Int64
from torch import Tensor

from steelyard.core import Positive, PositiveInt, Share, derive, method
from steelyard.diffusion.denoiser import MLPDenoiser
from steelyard.diffusion.generation import Diffusion, NoisePredictor
from steelyard.diffusion.prompted import PromptDenoiser
from steelyard.diffusion.schedule import NoiseSchedule
from steelyard.diffusion.trainer import DiffusionTrainer, Training
from steelyard.learner.fitting import Fitting


@method(
    "ddpm", paper="arXiv:2006.11239", claim="Noise that a network removes step by step generates what it was trained on"
)
@dataclass(frozen=True)
class DDPM(DiffusionTrainer):
    """Denoising diffusion, trained on rows with classes."""

    schedule: NoiseSchedule = field(default_factory=NoiseSchedule)
    """How noise is added."""
    width: PositiveInt = 128
    """Units of a layer."""
    layers: PositiveInt = 3
    """Residual layers."""
    train_steps: PositiveInt = 400
    """Steps of Adam."""
    batch: PositiveInt = 128
    """Rows in a step."""
    learning_rate: Positive = 2e-3
    """Highest; it falls linearly to 0."""
    dropped: Share = 0.1
    """Chance that a row's class is hidden."""
    prompts: Annotated[tuple[str, ...], tyro.conf.Suppress] = ()
    """What is said for each class; empty for a network that knows classes by number."""

    @property
    def said(self) -> tuple[str, ...]:
        """The prompts."""
        return self.prompts

    def reading(self, prompts: tuple[str, ...]) -> "DDPM":
        """The same, of a network that reads what is said for each class."""
        return replace(self, prompts=prompts)

    def begin(
        self, data_NX: Float[Tensor, "N X"], label_N: Int64[Tensor, "N"], *, seed: int, steps: int | None = None
    ) -> Training:
        """A network before its first step; equal seeds give equal networks."""
        sizes = {"width": self.width, "layers": self.layers}
        model = new_denoiser(data_NX, label_N, self.schedule, **sizes, seed=seed, prompts=self.prompts)

        def loss(rows_NX: Tensor, labels_N: Tensor, draws: torch.Generator) -> Tensor:
            return denoising_loss(model, self.schedule, rows_NX, labels_N, draws)

        fitting = denoiser_fitting(
            model, loss, data_NX, label_N,
            steps=steps or self.train_steps, batch=self.batch, learning_rate=self.learning_rate,
            dropped=self.dropped, seed=seed,
        )  # fmt: skip
        return Training(Diffusion(model, self.schedule, data_NX.shape[1]), fitting)


def new_denoiser(
    data_NX: Float[Tensor, "N X"],
    label_N: Int64[Tensor, "N"],
    schedule: NoiseSchedule,
    *,
    width: int = 128,
    layers: int = 3,
    seed: int,
    prompts: tuple[str, ...] = (),
) -> MLPDenoiser | PromptDenoiser:
    """An untrained network for such rows and classes, which reads the prompts of the classes where there are any."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "denoiser"))
        if prompts:
            return PromptDenoiser(data_NX.shape[1], prompts, schedule.steps, width=width, layers=layers)
        classes = int(label_N.max()) + 1
        return MLPDenoiser(data_NX.shape[1], classes, schedule.steps, width=width, layers=layers)


def denoiser_fitting(
    model: MLPDenoiser | PromptDenoiser,
    loss: Callable[[Tensor, Tensor, torch.Generator], Tensor],
    data_NX: Float[Tensor, "N X"],
    label_N: Int64[Tensor, "N"],
    *,
    steps: int = 400,
    batch: int = 128,
    learning_rate: float = 2e-3,
    dropped: float = 0.1,
    seed: int,
) -> Fitting:
    """The training of a network by Adam, on rows that are drawn alike.

    Args:
        model: what is trained, in place.
        loss: `loss(rows, labels, draws)`; `model.any` is the label of a row whose class is hidden.
        data_NX: the rows.
        label_N: their classes.
        steps: of Adam.
        batch: rows in a step.
        learning_rate: highest; it falls linearly to 0.
        dropped: chance that a row's class is hidden.
        seed: of all draws.
    """
    draws = torch.Generator().manual_seed(derive(seed, "ddpm"))

    def next_loss() -> Tensor:
        of_B = torch.randint(len(data_NX), (batch,), generator=draws)
        hidden_B = torch.rand(batch, generator=draws) < dropped
        return loss(data_NX[of_B], label_N[of_B].masked_fill(hidden_B, model.any), draws)

    adam = torch.optim.Adam(model.parameters(), lr=learning_rate)
    return Fitting(model, adam, next_loss, draws, steps, rate=lambda step: learning_rate * (1 - step / steps))


def denoising_loss(
    predictor: NoisePredictor,
    schedule: NoiseSchedule,
    data_NX: Float[Tensor, "N X"],
    label_N: Int64[Tensor, "N"],
    draws: torch.Generator,
) -> Float[Tensor, ""]:
    """The loss on rows, with a place in the schedule and noise drawn for each."""
    place_N = torch.randint(schedule.steps, (len(data_NX),), generator=draws)
    noise_NX = torch.randn(data_NX.shape, generator=draws)
    found_NX = predictor(schedule.noised(data_NX, place_N, noise_NX), place_N, label_N)
    return (noise_NX - found_NX).square().mean()
