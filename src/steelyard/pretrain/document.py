"""Documents with scored segments, and their conversion to trajectories.

A score says how undesirable a segment (a sentence, a line of code) is: 0 is harmless. A token's reward is minus the
score of its segment, and a document's is the mean over its segments.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

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


class Preparation(ABC):
    """A step that changes a corpus before training: a frozen dataclass that derives from this."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Tokens that it puts into documents; a sample begins with the first of them."""
        return ()

    @property
    def needs_scores(self) -> bool:
        """Whether it reads the scores of segments."""
        return False

    @abstractmethod
    def prepare(self, documents: Sequence[Document]) -> list[Document]:
        """The documents to train on."""

    def present(self, documents: Sequence[Document]) -> list[Document]:
        """Held-out documents as the model meets them: none is left out."""
        return [*documents]


def document(texts: Iterable[str], scorer: Callable[[str], float]) -> Document:
    """A document of these segments, each scored."""
    return Document(tuple(Segment(text, scorer(text)) for text in texts))


def trajectory_of(policy: Policy, document: Document) -> Trajectory:
    """Convert a document to a trajectory. All of its tokens but the first are actions.

    It begins as the tokenizer begins a text, such as with <bos>, or else with an end-of-sequence token, and ends with
    one. These belong to no segment, so their reward is 0. Segments become tokens one by one: none crosses a border.

    Raises:
        SteelyardError: the model has no end-of-sequence token.
    """
    tokens = list[int]()
    rewards = list[float]()
    for segment in document.segments:
        new = policy.tokenizer.encode(segment.text, add_special_tokens=False)
        tokens = [*tokens, *new]
        rewards = [*rewards, *[-segment.score] * len(new)]
    before = beginning_of(policy)
    reward_T = np.array([*[0.0] * len(before), *rewards, 0.0], np.float32)
    known = {"logp_ref_T": np.zeros_like(reward_T), "reward": -document.score, "reward_T": reward_T}
    return given(make_prompt(document.text, {}).id, before, [*tokens, end_of(policy)], **known)


def beginning_of(policy: Policy) -> list[int]:
    """The tokens that stand before a document."""
    return policy.encode("") or [end_of(policy)]


def pieces(trajectory: Trajectory, most: int) -> list[Trajectory]:
    """A document's trajectory in pieces of at most `most` tokens; the first token of each is no action."""
    total = len(trajectory.tokens_T)
    if total <= most:
        return [trajectory]
    found = []
    for start in range(0, total - 1, most - 1):
        part = slice(start, min(start + most, total))
        action_T = trajectory.action_T[part].copy()
        action_T[0] = False
        found.append(
            trajectory.replace(
                tokens_T=trajectory.tokens_T[part],
                action_T=action_T,
                logp_behaviour_T=trajectory.logp_behaviour_T[part],
                logp_ref_T=None if trajectory.logp_ref_T is None else trajectory.logp_ref_T[part],
                reward_T=None if trajectory.reward_T is None else trajectory.reward_T[part],
            )
        )
    return found
