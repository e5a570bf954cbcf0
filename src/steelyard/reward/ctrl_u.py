"""Ctrl-U: a reward model reads each text twice, and the further apart its two scores are, the less of the score counts.

Differs: ours is the reading of texts. The paper has two noised images, and discounts a loss; here noise moves the token
embeddings that the network reads, and a reward is discounted. The paper lowers u by its gradient as well; here u has a
price in the reward, since a policy gradient needs no gradient of u.

    o, o_k = s(e), s(e + noise rms n_k)                    n_k ~ N(0, 1)
    u      = scale / K sum_k |o - o_k|
    r      = level + exp(-u) (o - level) - penalty u

s is the frozen reward model, e the embeddings of a text's tokens, rms the root mean square of the embedding table,
K the readings under noise; o, u and r in reward units. Without a penalty an uncertain score below `level` gains. One
of at least level - penalty never gains, since dr/du = exp(-u) (level - o) - penalty.

Of images, l being the loss of a pixel, L = exp(-u) l(o_1) + c u. o_1 and o_2 are what s says of two denoised images,
noised alike to the steps t and t + 1; for classes u = scale KL(softmax o_2 || softmax o_1) and c = 1, for edges and
depth u = |o_1 - o_2| and c = .1.
Measured here, where a reward model of short versions is followed far: u says nothing of how good a text is, and falls
while the score is driven up, since the network is flat there (proof `ctrl-u`, refuted).
Unconfirmed: the paper's equations. These are the authors' code, by whose word it does as well as equation 4.
Source: Zhang et al. 2024, arXiv:2410.11236.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Protocol, runtime_checkable

import numpy as np
import tyro

from steelyard.core import Episode, NonNegative, Positive, PositiveInt, Score, SteelyardError, method
from steelyard.reward.given import reward_source, sourced
from steelyard.reward.model import RewardModel
from steelyard.reward.scorer import Noise
from steelyard.reward.weighted import name_of

PREFIX = "ctrl-u"


@method(
    "ctrl-u",
    paper="arXiv:2410.11236",
    claim="A reward counts less where the reward model disagrees with itself: more control than plain reward tuning.",
)
@dataclass(frozen=True)
class CtrlU:
    """How uncertainty is measured, and what it takes from a score.

    On a command line these are --uncertainty.scale and so on, whatever they are a part of.
    """

    scale: Annotated[NonNegative, tyro.conf.arg(name="uncertainty.scale", prefix_name=False)] = 1.0
    """Of the uncertainty; 0 reads each text once and leaves its score."""
    penalty: Annotated[NonNegative, tyro.conf.arg(name="uncertainty.penalty", prefix_name=False)] = 1.0
    """What a unit of uncertainty costs beside the discount; 0 for nothing."""
    level: Annotated[float, tyro.conf.arg(name="uncertainty.level", prefix_name=False)] = 0.0
    """The score that an uncertain one is moved to: what is expected before a text is read."""
    noise: Annotated[Positive, tyro.conf.arg(name="uncertainty.noise", prefix_name=False)] = 0.1
    """Standard deviation of the noise, as a share of the embedding table's root mean square."""
    readings: Annotated[PositiveInt, tyro.conf.arg(name="uncertainty.readings", prefix_name=False)] = 1
    """Readings under noise, K."""

    def uncertainty(self, score: float, again: Sequence[float]) -> float:
        """u, from the score and those under noise."""
        return self.scale * float(np.abs(np.subtract(again, score)).mean())

    def rectified(self, score: float, uncertainty: float) -> float:
        """r."""
        return self.level + math.exp(-uncertainty) * (score - self.level) - self.penalty * uncertainty


@runtime_checkable
class Readable(Protocol):
    """A reward that comes from what a network reads."""

    def read(self, episodes: Sequence[Episode], noise: Noise | None = None) -> list[Score]:
        """One score for each episode, in order, as the network reads under noise."""
        ...


@dataclass(frozen=True)
class Uncertain:
    """A `Reward`: what a network says, discounted by its uncertainty."""

    reward: Readable
    """What is read."""
    ctrl_u: CtrlU = field(default_factory=CtrlU)
    """How it is discounted."""

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order; parts are `uncertainty/NAME` and `first_reading/NAME`, o."""
        scores = self.reward.read(episodes)
        if self.ctrl_u.scale == 0:
            return scores
        again = [self.reward.read(episodes, Noise(self.ctrl_u.noise, k)) for k in range(self.ctrl_u.readings)]
        return [self._rectified(score, others) for score, *others in zip(scores, *again, strict=True)]

    @property
    def __name__(self) -> str:
        """What its numbers are called in records."""
        return name_of(self.reward)

    def _rectified(self, score: Score, others: Sequence[Score]) -> Score:
        again = [other.value for other in others if other.value is not None]
        if score.value is None or len(again) < len(others):
            return replace(score, value=None, error=score.error or f"under noise: {others[0].error}")
        u = self.ctrl_u.uncertainty(score.value, again)
        own = {f"uncertainty/{self.__name__}": u, f"first_reading/{self.__name__}": score.value}
        return replace(score, value=self.ctrl_u.rectified(score.value, u), parts={**score.parts, **own})


def uncertain(place: str) -> Uncertain:
    """The discounted reward of a source such as love:RUN, or of a reward model's directory.

    Raises:
        SteelyardError: the source is none that can be read under noise.
    """
    reward = sourced(place) or RewardModel(place)
    if not isinstance(reward, Readable):
        hint = "give the directory of a reward model, or love:RUN"
        raise SteelyardError(f"{place} cannot be read under noise", where=f"reward {PREFIX}:{place}", hint=hint)
    return Uncertain(reward)


reward_source(PREFIX, uncertain)
