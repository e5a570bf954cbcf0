"""What trains a diffusion model: it begins, makes steps that can be saved and restored, and gives a model.

A trainer is a frozen dataclass of settings. `steelyard train` makes its steps one by one (`diffusion.job`), and `fit`
all of them at once; both give the same model.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from steelyard.core import SteelyardError
from steelyard.diffusion.generation import Diffusion
from steelyard.learner.fitting import Fitting


@dataclass(frozen=True)
class Training:
    """A model and how it is being trained."""

    model: Diffusion
    """What is trained, in place; `fitting.module` holds all its numbers."""
    fitting: Fitting
    """The steps."""


@dataclass(frozen=True)
class DiffusionTrainer(ABC):
    """Settings of what trains a diffusion model on rows of X numbers with a class each."""

    @abstractmethod
    def begin(
        self, data_NX: Float[Tensor, "N X"], label_N: Int64[Tensor, "N"], *, seed: int, steps: int | None = None
    ) -> Training:
        """The training of a new model, before its first step; equal seeds give equal models.

        Args:
            data_NX: the rows. The network's sizes follow from X and the largest class alone.
            label_N: their classes, from 0.
            seed: of the first weights and of all draws.
            steps: how many to make; None for as many as the settings say.
        """

    @property
    def said(self) -> tuple[str, ...]:
        """What is said for each class; empty where its network knows classes by number."""
        return ()

    def reading(self, prompts: tuple[str, ...]) -> "DiffusionTrainer":
        """The same, of a network that reads what is said for each class.

        Raises:
            SteelyardError: its network knows classes by number alone.
        """
        what = f"{type(self).__name__} reads no prompts, and there are {len(prompts)}"
        raise SteelyardError(what, where="--images", hint="leave `prompts` out of the file")

    def fit(self, data_NX: Float[Tensor, "N X"], label_N: Int64[Tensor, "N"], *, seed: int) -> Diffusion:
        """Train a model from nothing to the last step."""
        training = self.begin(data_NX, label_N, seed=seed)
        training.fitting.run()
        return training.model
