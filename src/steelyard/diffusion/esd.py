"""ESD: the model is tuned to predict, for what it is to forget, the noise that leads away from it.

    L = E |eps_theta(x_t, t, c_f) - (eps(x_t, t, any) - eta (eps(x_t, t, c_f) - eps(x_t, t, any)))|^2

eps is the model that knows, frozen; x_t are its own rows of c_f, noised to a place t that is drawn alike. N rows in a
batch, X numbers, C classes. The learning rate falls linearly to 0.
Source: Gandikota et al. 2023, arXiv:2303.07345; the equation as arXiv:2405.15234 quotes it.
Differs: what is tuned is the whole network, or the reader of prompts alone, where the paper's choice is the layers of
cross-attention, by which its network hears the prompt, or all others; x_t is a finished row that is noised,
where the paper stops generation at t.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from steelyard.core import NonNegative, PositiveInt, derive, method
from steelyard.diffusion.class_forgetting import ClassForgetting, ForgetClasses, Forgotten, drawn_from, network_of
from steelyard.diffusion.generation import Diffusion
from steelyard.diffusion.one_step import reader_of
from steelyard.learner.fitting import Fitting


@method("esd", paper="arXiv:2303.07345", claim="A concept is erased by guidance away from it, without any image.")
@dataclass(frozen=True)
class ESD(ClassForgetting):
    """Tune a model away from classes."""

    tuned: Literal["all", "reader"] = "all"
    """What of the network: all, or the reader of prompts alone (ESD-x in small)."""
    eta: NonNegative = 1.0
    """How far beyond "any" the noise for a forgotten class is pushed."""
    rows: PositiveInt = 512
    """Rows that the model that knows generates at the start."""
    forget_steps: PositiveInt = 200
    """Steps of Adam."""

    def begin(self, knowing: Diffusion, request: ForgetClasses, *, seed: int, steps: int | None = None) -> Forgotten:
        """Generate the rows, and begin to tune."""
        network = network_of(knowing)
        if self.tuned == "reader":
            reader_of(Diffusion(network, knowing.schedule, knowing.size)).body.requires_grad_(False)
        draws = torch.Generator().manual_seed(derive(seed, "esd"))
        label_N = drawn_from(request.forget, self.rows, draws)
        data_NX = knowing.rows(label_N, seed=derive(seed, "esd rows"))
        schedule = knowing.schedule
        whole = steps or self.forget_steps

        def loss() -> Tensor:
            of_B = torch.randint(len(label_N), (self.batch,), generator=draws)
            place_B = torch.randint(schedule.steps, (self.batch,), generator=draws)
            noise_BX = torch.randn(self.batch, knowing.size, generator=draws)
            noisy_BX = schedule.noised(data_NX[of_B], place_B, noise_BX)
            aim_BX = self.aim(knowing, noisy_BX, place_B, label_N[of_B], request.classes)
            found_BX = network(noisy_BX, place_B, label_N[of_B])
            return (found_BX - aim_BX).square().mean()

        adam = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=self.learning_rate)
        fit = Fitting(network, adam, loss, draws, whole, rate=lambda step: self.learning_rate * (1 - step / whole))
        return Forgotten(Diffusion(network, schedule, knowing.size), network, fit)

    @torch.no_grad()
    def aim(self, knowing: Diffusion, noisy_NX: Tensor, place_N: Tensor, label_N: Tensor, anything: int) -> Tensor:
        """The noise that is to be predicted; `anything` is the label of a hidden class."""
        without_NX = knowing.predictor(noisy_NX, place_N, torch.full_like(label_N, anything))
        with_NX = knowing.predictor(noisy_NX, place_N, label_N)
        return without_NX - self.eta * (with_NX - without_NX)
