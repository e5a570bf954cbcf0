"""Rewards that compare the samples of a prompt: each is asked about a whole batch at once, so that no group is cut."""

from typing import Protocol, runtime_checkable

from steelyard.reward.constrained import Constrained
from steelyard.reward.weighted import WeightedRewards


@runtime_checkable
class Comparing(Protocol):
    """A reward that says whether it compares."""

    @property
    def compares_samples(self) -> bool:
        """True where a sample's score depends on the other samples of its prompt."""
        ...


def compares_samples(reward: object) -> bool:
    """Whether a reward, or a part of it, compares the samples of a prompt."""
    if isinstance(reward, WeightedRewards):
        return any(map(compares_samples, reward.rewards))
    if isinstance(reward, Constrained):
        return any(map(compares_samples, (reward.reward, *reward.judges)))
    return isinstance(reward, Comparing) and reward.compares_samples
