"""A sequence classifier of transformers as a guard: the probability of one of its labels, and its mean hidden state.

    harm(x) = softmax(logits(x))_label,    h(x) = mean over the tokens of x of the last hidden layer

N texts, D hidden size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.core import SteelyardError, require
from steelyard.guard.base import Ruling
from steelyard.policy.classifier import Classifier

TOLD = ("harmful", "unsafe", "toxic", "hate", "label_1")
"""Labels that are taken for harm where none is named; LABEL_1 is what transformers calls the second of two."""


@dataclass(frozen=True)
class ClassifierGuard:
    """A guard from a directory or the hub."""

    model: str
    """What it was read from."""
    label: str
    """The label that means harm."""
    classifier: Classifier

    @classmethod
    def load(cls, model: str, label: str, where: str, device: str = "cpu") -> "ClassifierGuard":
        """Read a classifier.

        Args:
            model: a directory or a hub id.
            label: the label that means harm; empty for the only one that is named as harm usually is.
            where: the flag that names the label, for errors.
            device: where it computes: auto, cpu, cuda or cuda:NUMBER.

        Raises:
            SteelyardError: it cannot be read, or has no such label; or there is no such GPU.
        """
        classifier = Classifier.load(model, device=device)
        known = classifier.labels
        hint = f"give one of {', '.join(known)}"
        require(len(known) > 1, f"{model} has a single label, {known[0]}", where=where, hint="take one with two labels")
        likely = [name for name in known if name.lower() in TOLD]
        if not label and len(likely) != 1:
            raise SteelyardError(f"which label of {model} means harm is not said", where=where, hint=hint)
        chosen = label or likely[0]
        require(chosen in known, f"{model} has no label {chosen!r}", where=where, hint=hint)
        return cls(model, chosen, classifier)

    @property
    def num_parameters(self) -> int:
        """Numbers that a token costs one multiplication each, at most."""
        return sum(p.numel() for p in self.classifier.net.parameters())

    def __call__(self, texts: Sequence[str]) -> Ruling:
        """The rulings, with mean hidden states of the last layer."""
        return Ruling(*self.classifier.read(texts, self.label))
