"""RLVR: reinforcement learning with verifiable rewards, on any task of one turn that a verifier scores.

Differs: a completion that was cut off at its limit gets the penalty alone, whether or not it was right.

    r(x, y) = alpha   if y ends by itself and is verified
              0       if y ends by itself and is not
              -10     if y was cut off

alpha is `right`, and -10 is `cut_off`. The KL term is the objective's own, as PPO has one. A verification that failed
gives no reward, never 0.
Source: Lambert et al. 2024, arXiv:2411.15124, equations 7 and 8, section 6.2 and table 21.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

import tyro
from msgspec import Meta

from steelyard.core import Episode, Interactive, Positive, Reward, Score, Task, method, require
from steelyard.task.rows import NO_FILE, Rows
from steelyard.task.scored import Scored
from steelyard.task.wrapped import Wrapped

Penalty = Annotated[float, Meta(le=0)]


@method(
    "rlvr",
    paper="arXiv:2411.15124",
    claim="A last stage of RL on what a verifier can check improves a model after SFT and DPO in what is checked.",
    exemptions=NO_FILE,
)
@dataclass(frozen=True)
class RLVR(Wrapped):
    """A verifier's yes and no as rewards."""

    OWN_DATA: ClassVar[str] = Rows.OWN_DATA

    task: Annotated[Task, tyro.conf.OmitArgPrefixes] = field(default_factory=Rows)
    """Questions, and their verifier."""
    right: Positive = 10.0
    """alpha: what a verified completion earns."""
    cut_off: Penalty = -10.0
    """What a completion earns that did not end by itself."""
    right_at: float = 1.0
    """Lowest score of the verifier that counts as right."""

    def __post_init__(self) -> None:
        what = f"{type(self.task).__name__} has several turns"
        require(not isinstance(self.task, Interactive), what, where="rlvr.task", hint="give a task of one turn")

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order; the part `verified` is the verifier's own, where it gave any."""
        scores = self.task.score(episodes)
        return [self._earned(episode, score) for episode, score in zip(episodes, scores, strict=True)]

    def verified_by(self, reward: Reward) -> "RLVR":
        """The same task with another verifier."""
        return replace(self, task=Scored(self.task, reward))

    def _earned(self, episode: Episode, score: Score) -> Score:
        parts = {**score.parts} if score.value is None else {**score.parts, "verified": score.value}
        if episode.finish == "length":
            return replace(score, value=self.cut_off, parts=parts, error=None, right=False)
        if score.value is None or score.error is not None:
            return score
        right = score.value >= self.right_at
        return replace(score, value=self.right if right else 0.0, parts=parts, right=right)
