"""A guard that is a small head on the states of a frozen model, which may be a guard itself.

The model is named and not copied. A text is read alone, so that its state does not depend on its company: what a head
learned of it can be found again. N texts, D units of a state.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.core import Dataclass
from steelyard.guard.base import Ruling
from steelyard.guard.encoder_guard import LABELS
from steelyard.policy.classifier import Classifier

Reads = Callable[[str], Float[Tensor, "1 D"]]


@runtime_checkable
class Head(Protocol):
    """What a method fits on states."""

    @property
    def num_parameters(self) -> int:
        """Numbers that a state costs one multiplication each, at most."""
        ...

    def rule(self, state_ND: Float[Tensor, "N D"]) -> Ruling:
        """The rulings on texts with these states."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """All that it is, by name."""
        ...


@dataclass(frozen=True)
class FrozenStates:
    """A model that gives a text a state, and stays as it is."""

    reads: Reads
    num_parameters: int

    @classmethod
    def of_model(cls, model: str, device: str) -> "FrozenStates":
        """The mean of the last hidden layer of a language model, an encoder or a classifier, without its head.

        Raises:
            SteelyardError: it cannot be read, or there is no such GPU.
        """
        classifier = Classifier.begun(model, LABELS, seed=0, device=device)
        size = sum(p.numel() for p in classifier.net.parameters())
        return cls(lambda text: classifier.read([text], LABELS[0])[1], size)

    def __call__(self, texts: Sequence[str]) -> Float[Tensor, "N D"]:
        """The state of each text, in order."""
        states = [self.reads(text) for text in texts]
        return torch.cat(states).float() if states else self.reads("").float()[:0]


@dataclass(frozen=True)
class HeadGuard:
    """Rates texts by a head on their states."""

    states: FrozenStates
    head: Head
    method: Dataclass
    """What fitted the head."""
    model: str
    """What gives the states: a directory, a hub id, or the run of a guard."""

    @property
    def num_parameters(self) -> int:
        """Of the model and of the head."""
        return self.states.num_parameters + self.head.num_parameters

    def __call__(self, texts: Sequence[str]) -> Ruling:
        """The rulings, with the states that they rest on."""
        return self.head.rule(self.states(texts))
