"""Documents with scored segments, and their conversion to trajectories.

A score says how undesirable a segment (a sentence, a line of code) is: 0 is harmless. A token's reward is minus the
score of its segment, and a document's is the mean over its segments.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from steelyard.core import Trajectory
from steelyard.learner import end_of, given
from steelyard.policy import Policy
from steelyard.task.base import make_prompt


@dataclass(frozen=True)
class Segment:
    """A piece of text and how undesirable it is."""

    text: str
    score: float


@dataclass(frozen=True)
class Document:
    """The segments of a text, in order."""

    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(segment.text for segment in self.segments)

    @property
    def score(self) -> float:
        """The mean of the segments' scores."""
        return sum(segment.score for segment in self.segments) / len(self.segments)


@runtime_checkable
class Preparation(Protocol):
    """A step that changes a corpus before training."""

    def prepare(self, documents: Sequence[Document]) -> list[Document]:
        """The documents to train on."""
        ...


def document(texts: Iterable[str], scorer: Callable[[str], float]) -> Document:
    """A document of these segments, each scored."""
    return Document(tuple(Segment(text, scorer(text)) for text in texts))


def trajectory_of(policy: Policy, document: Document) -> Trajectory:
    """Convert a document to a trajectory. All of its tokens but the first are actions.

    An end-of-sequence token is added at both ends. It belongs to no segment, so its reward is 0.

    Raises:
        SteelyardError: the model has no end-of-sequence token.
    """
    end = end_of(policy)
    tokens = list[int]()
    rewards = [0.0]
    for segment in document.segments:
        new = policy.tokenizer.encode(segment.text, add_special_tokens=False)
        tokens = [*tokens, *new]
        rewards = [*rewards, *[-segment.score] * len(new)]
    reward_T = np.array([*rewards, 0.0], np.float32)
    known = {"logp_ref_T": np.zeros_like(reward_T), "reward": -document.score, "reward_T": reward_T}
    return given(make_prompt(document.text, {}).id, [end], [*tokens, end], **known)
