"""A model that a task uses beside the policy (reward model, victim, judge, embedder), and the checks it must pass.

It is checked before a run begins, by its files and the shapes in them, so that 8 billion parameters take no memory.
The process that uses it loads the weights later, when it is first asked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from steelyard.core import SteelyardError, require, suggest
from steelyard.policy.classifier import Classifier
from steelyard.policy.device import device_of
from steelyard.policy.load_checks import DTYPES
from steelyard.policy.loading import load_classifier, load_encoder, load_scorer, read
from steelyard.policy.meta_model import local_directory
from steelyard.policy.text import Tokenizer

DEVICE_FLAG = "--models-device"
"""The flag of every task with such models."""


@dataclass(frozen=True)
class AuxiliaryModel:
    """What a task says of such a model."""

    model: str
    """A directory, a model shipped with the package, or a hub id."""
    kind: Literal["language model", "reward model", "classifier", "encoder"] = "language model"
    """What it is used as."""
    dtype: str = "float32"
    """Number format that its weights are loaded in."""
    label: str = ""
    """The classifier's label that is asked for."""
    chat: bool = False
    """Its tokenizer must have a chat template."""
    device: str = "cpu"
    """Where it computes, as the task's --models-device says."""
    searched: bool = True
    """Searchers read it, and not the evaluator alone."""

    def place(self, what: str) -> str | None:
        """The directory where it is on this machine; None where it would be fetched from the hub.

        Args:
            what: the task's name for it, for errors.

        Raises:
            SteelyardError: it is not named, or is no directory, model of the package or hub id.
        """
        with self._known_as(what):
            return local_directory(self.model)

    def check(self, what: str) -> int:
        """See that it can be loaded as what it is used as; a model of the hub is fetched for it.

        Args:
            what: as for `place`.

        Returns:
            The bytes of its weights.

        Raises:
            SteelyardError: there is no such model, or it is damaged, incomplete or of another kind.
        """
        with self._known_as(what):
            net, tokenizer = self._opened()
            untold = self.chat and tokenizer.chat_template is None
            require(not untold, f"{self.model} has no chat template", where="model", hint="take a model tuned for chat")
        return sum(p.numel() * p.element_size() for p in net.parameters())

    def computes_on(self, num_bytes: int) -> torch.device:
        """The device that it is meant for, where its weights have so many bytes.

        Raises:
            SteelyardError: torch sees no such GPU.
        """
        return device_of(self.device, num_bytes // DTYPES[self.dtype].itemsize, DEVICE_FLAG)

    @contextmanager
    def _known_as(self, what: str) -> Iterator[None]:
        """Errors about the model name it by what it is to the task."""
        try:
            require(bool(self.model), "is not named", where="model", hint="name a directory or a hub id")
            yield
        except SteelyardError as error:
            raise SteelyardError(error.what, where=what, hint=error.hint) from error

    def _opened(self) -> tuple[torch.nn.Module, Tokenizer]:
        """The network, without numbers, and the tokenizer."""
        if self.kind == "language model":
            return read(self.model, self.dtype, empty=True)
        if self.kind == "encoder":
            return load_encoder(self.model, self.dtype, empty=True)
        if self.kind == "classifier":
            net, tokenizer = load_classifier(self.model, self.dtype, empty=True)
            labels = Classifier(net, tokenizer).labels
            what = f"{self.model} has no label {self.label!r}"
            hint = suggest(self.label, labels)
            require(self.label in labels, what, where="model", hint=hint)
            return net, tokenizer
        net, tokenizer, missing = load_scorer(self.model, self.dtype, empty=True)
        hint = "train one with steelyard reward-model"
        require(not missing, f"{self.model} is no reward model: it has no head", where="model", hint=hint)
        return net, tokenizer
