"""Several rewards at once, each with a weight.

    R_i = sum_k w_k r_k(y_i | x_i)

r_k is the k-th reward (reward units) and w_k its weight, 1 where none is given. Each r_k stands in the score's parts
under its function's name, as it came. Where one of them has no value the sum has none either, and says which.
Rewards of single steps, and of parts of the text, are summed likewise: an objective that reads marks of one of them
finds those of the others among them.
Source: the convention of Hugging Face TRL's trainers, `reward_funcs` and `reward_weights`.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float32

from steelyard.core import Episode, Reward, Score, id_of, require
from steelyard.core.copies import own_episodes
from steelyard.reward.function import FunctionReward
from steelyard.reward.pool import Closable

WHERE = "reward"


@dataclass(frozen=True)
class WeightedRewards(Closable):
    """The weighted sum of several rewards."""

    rewards: tuple[Reward, ...]
    """What is summed."""
    weights: tuple[float, ...]
    """Of each reward, finite."""

    def __post_init__(self) -> None:
        require(bool(self.rewards), "there is none", where=WHERE, hint="give one or more")
        what = f"{len(self.weights)} weights for {len(self.rewards)} rewards"
        require(len(self.weights) == len(self.rewards), what, where=WHERE, hint="give one weight for each")

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order; each reward's own number is a part, under its name."""
        if not episodes:
            return []
        columns = [self._scores(name, reward, episodes) for name, reward in zip(self.names, self.rewards, strict=True)]
        return [self._sum(scores) for scores in zip(*columns, strict=True)]

    def __str__(self) -> str:
        return f"rewards {', '.join(map(repr, self.names))}"

    def close(self) -> None:
        """End the child processes of all rewards."""
        for reward in self.rewards:
            if isinstance(reward, Closable):
                reward.close()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each reward's part is called; of equal names the later ones get a number."""
        names = [name_of(reward) for reward in self.rewards]
        seen: Counter[str] = Counter()
        found = []
        for name in names:
            seen[name] += 1
            found.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
        return tuple(found)

    def _scores(self, name: str, reward: Reward, episodes: Sequence[Episode]) -> list[Score]:
        scores = reward(own_episodes(episodes))
        what = f"{len(scores)} scores for {len(episodes)} completions"
        require(len(scores) == len(episodes), what, where=f"{WHERE} {name!r}", hint="return one for each, in order")
        return scores

    def _sum(self, scores: Sequence[Score]) -> Score:
        parts: dict[str, float] = {}
        labels = {}
        info = {}
        for name, score in zip(self.names, scores, strict=True):
            parts |= {**score.parts, **({} if score.value is None else {name: score.value})}
            labels |= score.labels
            info |= score.info
        missing = [(n, s) for n, s in zip(self.names, scores, strict=True) if s.value is None or s.error is not None]
        read = next((score for score in scores if score.read is not None), Score(None))
        whole = Score(None, parts, labels=labels, info=info, read=read.read, read_from=read.read_from)
        if missing:
            name, failed = missing[0]
            said = failed.error or "it gave no score and no reason"
            return replace(whole, error=said if name in said else f"reward {name!r}: {said}")
        value = sum(w * s.value for w, s in zip(self.weights, scores, strict=True) if s.value is not None)
        return replace(whole, value=float(value), reward_T=self._steps(scores), part_rewards=self._parts(scores))

    def _steps(self, scores: Sequence[Score]) -> Float32[np.ndarray, "T"] | None:
        """The weighted sum of what looks at steps; None where nothing does."""
        found = [w * s.reward_T for w, s in zip(self.weights, scores, strict=True) if s.reward_T is not None]
        return np.stack(found).sum(0, dtype=np.float32) if found else None

    def _parts(self, scores: Sequence[Score]) -> tuple[tuple[int | None, float], ...]:
        """The weighted sum of what looks at parts of the text, by where these end; the completion's own end is last."""
        sums: dict[int | None, float] = {}
        for weight, score in zip(self.weights, scores, strict=True):
            for end, reward in score.part_rewards:
                sums[end] = sums.get(end, 0.0) + weight * reward
        ends = sorted(sums, key=lambda end: math.inf if end is None else end)
        return tuple((end, sums[end]) for end in ends if sums[end])


def name_of(reward: object) -> str:
    """What a reward's numbers are called: its function's name, its id, or its class."""
    if isinstance(reward, FunctionReward):
        return reward.name
    return id_of(reward) or getattr(reward, "__name__", type(reward).__name__)
