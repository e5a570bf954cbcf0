"""The interface of ways to make a diffusion model forget classes, or prompts, which are classes by their words.

`begin` gets the model that knows and what is to be forgotten, and gives what generates in its place while it is made.
No image is needed: the model that knows draws what is learned from.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from steelyard.core import Positive, PositiveInt, checked, require
from steelyard.diffusion.generation import Diffusion
from steelyard.diffusion.one_step import OneStep
from steelyard.learner.fitting_work import Fit


@dataclass(frozen=True)
class ForgetClasses:
    """Which classes are to be forgotten, and what is generated in their place."""

    forget: tuple[int, ...]
    """Classes that are to be forgotten."""
    safe: tuple[int, ...]
    """What is wanted in place of each: one class for all, or one for each."""
    classes: int
    """C: the others are kept."""

    def __post_init__(self) -> None:
        found = (*self.forget, *self.safe)
        wrong = next((c for c in found if not 0 <= c < self.classes), None)
        what, hint = f"there is no class {wrong}", f"classes are 0 to {self.classes - 1}"
        require(wrong is None, what, where="--forget", hint=hint)
        require(len(self.forget) > 0, "is missing", where="--forget", hint=hint)
        twice = len(set(self.forget)) < len(self.forget)
        require(not twice, "names a class twice", where="--forget", hint="name each once")
        what = f"names {len(self.safe)} classes, and {len(self.forget)} are to be forgotten"
        fits = len(self.safe) in (1, len(self.forget))
        require(fits, what, where="--safe", hint="name one for all, or one for each")
        both = sorted({*self.safe} & {*self.forget})
        what = f"names class {both[0] if both else ''}, which is to be forgotten"
        require(not both, what, where="--safe", hint="name classes that are kept")

    @property
    def kept(self) -> tuple[int, ...]:
        """The classes that are not to be forgotten."""
        return tuple(c for c in range(self.classes) if c not in self.forget)

    def instead(self, label_N: Int64[Tensor, "N"]) -> Int64[Tensor, "N"]:
        """The safe class of each class that is to be forgotten."""
        own = self.safe * len(self.forget) if len(self.safe) == 1 else self.safe
        table_C = torch.arange(self.classes)
        table_C[list(self.forget)] = torch.tensor(own[: len(self.forget)])
        return table_C[label_N]


@dataclass(frozen=True)
class Forgotten:
    """What generates in place of the model that knew, and how it is being made."""

    model: Diffusion | OneStep
    """What is trained, in place."""
    module: nn.Module
    """Its network."""
    fit: Fit
    """The steps."""


@checked()
@dataclass(frozen=True)
class ClassForgetting(ABC):
    """Settings of a way to forget: a frozen dataclass with `@method(id, ...)` above it."""

    learning_rate: Positive = 3e-4
    """Of Adam."""
    batch: PositiveInt = 64
    """Rows in a step."""

    @abstractmethod
    def begin(self, knowing: Diffusion, request: ForgetClasses, *, seed: int, steps: int | None = None) -> Forgotten:
        """Begin to forget; equal seeds give equal models.

        Args:
            knowing: the model that knows; it stays as it is.
            request: what is to be forgotten.
            seed: of all draws.
            steps: how many to make; None for as many as the settings say.
        """

    def at(self, rate: float) -> "ClassForgetting":
        """The same at another learning rate."""
        return replace(self, learning_rate=rate)


def network_of(knowing: Diffusion) -> nn.Module:
    """A copy of a model's network that may be trained.

    Raises:
        SteelyardError: its predictor is no network.
    """
    network = knowing.predictor
    what = f"predicts noise by {type(network).__name__}, which is no network"
    require(isinstance(network, nn.Module), what, where="--diffusion", hint="name a trained model")
    assert isinstance(network, nn.Module)
    return copy.deepcopy(network).requires_grad_(True)


def drawn_from(classes: Sequence[int], number: int, draws: torch.Generator) -> Int64[Tensor, "N"]:
    """So many classes, all alike."""
    return torch.tensor(classes)[torch.randint(len(classes), (number,), generator=draws)]
