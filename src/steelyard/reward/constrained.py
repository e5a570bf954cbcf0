"""A reward under judges: the reward stays a number, and each judge adds a bit that says whether its constraint is kept.

Differs: a judge that fails gives no score at all, neither a pass nor a violation.

    c(x, y) = sigma(r(x, y) - r(x, y0))                 calibrated: y0 is a known response to the prompt
    J(x, y) = prod_i J_i(x, y), J_i in {0, 1}           the parts `constraint/NAME`; J is what objectives read

Calibrated rewards lie in (0, 1), with 1/2 for whatever is as good as y0, and so compare between prompts; without a
baseline column the reward stays as it is. The bits never enter the value: what a violation costs is for an objective
to say. A judge is anything that scores: it passes what it gives more than 1/2. y0 is scored by its text, as if it had
ended by itself; a reward that reads tokens cannot be calibrated in this way.
Source: Xu et al. 2024, arXiv:2409.20370.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from steelyard.core import Episode, Reward, Score, SteelyardError, id_of, method, require, suggest
from steelyard.reward.exact import ExactAnswer
from steelyard.reward.function import FunctionReward
from steelyard.reward.given import reward_function
from steelyard.reward.pool import Closable


@method(
    "constrained",
    paper="arXiv:2409.20370",
    claim="Judges keep a policy from optimising a reward where it is wrong.",
)
@dataclass(frozen=True)
class Constrained(Closable):
    """A reward, calibrated or as it is, with the bits of judges."""

    reward: Any = field(default_factory=ExactAnswer)
    """What is to be maximised: a reward, or the name or the callable of a reward function."""
    judges: tuple[Any, ...] = ()
    """Constraints, each a reward function or its name: f(prompts, completions, **columns) gives 1 where it is kept."""
    baseline_column: str = ""
    """The prompt's column with a known response y0, whose reward calibrates; empty leaves rewards as they are."""

    def __post_init__(self) -> None:
        names = [name_of(judge) for judge in self.judges]
        twice = next((name for name in names if names.count(name) > 1), None)
        require(twice is None, f"two are named {twice!r}", where="constrained.judges", hint="rename one")

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order; `parts` has the bits and, where calibrated, `reward` and `baseline`.

        Raises:
            SteelyardError: a prompt has no baseline response.
        """
        if not episodes:
            return []
        scores = self._reward(episodes)
        if self.baseline_column:
            scores = [_calibrated(s, b) for s, b in zip(scores, self._baselines(episodes), strict=True)]
        for name, judge in self._judges.items():
            scores = [_judged(s, name, verdict) for s, verdict in zip(scores, judge(episodes), strict=True)]
        return scores

    def close(self) -> None:
        """End the child processes of reward and judges."""
        for part in (self._reward, *self._judges.values()):
            if isinstance(part, Closable):
                part.close()

    @cached_property
    def _reward(self) -> Reward:
        return reward_function(self.reward)

    @cached_property
    def _judges(self) -> Mapping[str, Reward]:
        return {name_of(judge): reward_function(judge) for judge in self.judges}

    def _baselines(self, episodes: Sequence[Episode]) -> list[Score]:
        known = {e.prompt.id: _answered(e, self.baseline_column) for e in episodes}
        scores = dict(zip(known, self._reward(list(known.values())), strict=True))
        return [scores[e.prompt.id] for e in episodes]


def name_of(judge: object) -> str:
    """What a judge's constraint is called: its function's name, or its id."""
    if isinstance(judge, FunctionReward):
        return name_of(judge.function)
    named = judge.rpartition(":")[2] if isinstance(judge, str) else id_of(judge)
    return named or getattr(judge, "__name__", type(judge).__name__)


def _answered(episode: Episode, column: str) -> Episode:
    """The episode in which the prompt got its baseline response."""
    columns = episode.prompt.columns
    if columns.get(column) is None:
        where = f"column {column!r} of prompt {episode.prompt.id}"
        raise SteelyardError("there is no baseline response", where=where, hint=suggest(column, columns))
    ended = episode.trajectory.replace(finish="stop")
    return replace(episode, completion=str(columns[column]), trajectory=ended, finish="stop")


def _calibrated(score: Score, baseline: Score) -> Score:
    if score.value is None or baseline.value is None:
        return replace(score, value=None, error=score.error or f"the baseline response: {baseline.error}")
    gap = score.value - baseline.value
    parts = {**score.parts, "reward": score.value, "baseline": baseline.value}
    return replace(score, value=(1 + math.tanh(gap / 2)) / 2, parts=parts)


def _judged(score: Score, name: str, verdict: Score) -> Score:
    if verdict.value is None:
        return replace(score, value=None, error=score.error or f"the judge {name}: {verdict.error}")
    kept = verdict.value > 0.5
    labels = {**score.labels, "passes": bool(score.labels.get("passes", True)) and kept}
    return replace(score, parts={**score.parts, f"constraint/{name}": float(kept)}, labels=labels)
