"""A cheap reward of every completion, and a costly one of a few: `--reward wl-ac:0.1,CHEAP,COSTLY`.

    r = w + Q / p (s - w)        Q = 1 with probability p, else 0

w is the cheap reward, a judge or a reward model, and s the costly one, a verifier or a program, which is asked where
Q = 1 alone. The mean of r over Q is s, whatever w is: the correction of WL-AC (the guard of that name), with one p for
all, since nobody has estimated yet where w errs. The variance that it adds is (1 - p) / p (s - w)^2. Q is drawn at the
episode's own address, so neither company nor order changes it. Where what was asked fails, there is no reward. For an
empty completion p = 1: so a run finds out before it begins where either reward cannot be asked.
Source: Chen et al. 2022, arXiv:2211.02233; the estimator: Robins et al. 1994.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.core import Episode, Reward, Score, ShareAboveZero, SteelyardError, checked, require, rng
from steelyard.reward.company import compares_samples
from steelyard.reward.function import FunctionReward
from steelyard.reward.given import reward_source, sourced
from steelyard.reward.model import RewardModel
from steelyard.reward.pool import Closable
from steelyard.reward.weighted import name_of

PREFIX = "wl-ac"
CHECKED = "checked"
"""Part of a score: 1 where the costly reward was asked, else 0."""


@checked("wl-ac")
@dataclass(frozen=True)
class SpotChecked(Closable):
    """A `Reward`: the cheap one, corrected without bias by a costly one that few completions get."""

    share: ShareAboveZero
    """p: how often the costly reward is asked."""
    cheap: Reward
    """w."""
    costly: Reward
    """s."""

    def __post_init__(self) -> None:
        what = f"{name_of(self.costly)} compares the samples of a prompt, and would see a few of them"
        hint = "take a costly reward that looks at one completion"
        require(not compares_samples(self.costly), what, where=f"reward {PREFIX}", hint=hint)

    @property
    def compares_samples(self) -> bool:
        """Whether the cheap reward is to see all samples of a prompt at once."""
        return compares_samples(self.cheap)

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order; parts are both rewards, the costly one where it was asked."""
        asked = [self._is_asked(episode) for episode in episodes]
        said = self.costly([e for e, one in zip(episodes, asked, strict=True) if one]) if any(asked) else []
        costly = iter(said)
        cheap = self.cheap(episodes) if episodes else []
        rows = zip(episodes, cheap, asked, strict=True)
        return [self._score(w, next(costly) if one else None, self._chance(e)) for e, w, one in rows]

    def _chance(self, episode: Episode) -> float:
        return self.share if episode.completion else 1.0

    def _is_asked(self, episode: Episode) -> bool:
        t = episode.trajectory
        draws = rng(0, PREFIX, t.prompt_id, t.version, t.sample, episode.completion)
        return bool(draws.random() < self._chance(episode))

    def _score(self, cheap: Score, costly: Score | None, chance: float) -> Score:
        parts = {**cheap.parts, CHECKED: float(costly is not None)}
        if cheap.value is None:
            return Score(None, parts, error=cheap.error or f"{name_of(self.cheap)} gave no score and no reason")
        parts |= {name_of(self.cheap): cheap.value}
        if costly is None:
            return Score(cheap.value, parts)
        if costly.value is None:
            return Score(None, parts, error=costly.error or f"{name_of(self.costly)} gave no score and no reason")
        parts |= {**costly.parts, name_of(self.costly): costly.value}
        return Score(cheap.value + (costly.value - cheap.value) / chance, parts)

    @property
    def __name__(self) -> str:
        """What its numbers are called in records."""
        return f"{name_of(self.cheap)}-checked"

    def close(self) -> None:
        """End the child processes of both."""
        for reward in (self.cheap, self.costly):
            if isinstance(reward, Closable):
                reward.close()


def spot_checked(place: str) -> SpotChecked:
    """The reward of `p,CHEAP,COSTLY`: each a function, a source such as guard:RUN, or a reward model's directory.

    Raises:
        SteelyardError: there are not three parts, or p is no number above 0, 1 at most.
    """
    where = f"reward {PREFIX}:{place}"
    parts = place.split(",")
    hint = f"write {PREFIX}:0.1,CHEAP,COSTLY, such as {PREFIX}:0.1,REWARD_MODEL,my_rewards.py:right"
    if len(parts) != 3 or not all(parts):
        raise SteelyardError(f"has {len(parts)} parts between commas", where=where, hint=hint)
    try:
        share = float(parts[0])
    except ValueError as error:
        raise SteelyardError(f"{parts[0]!r} is no share", where=where, hint=hint) from error
    return SpotChecked(share, *map(_reward_of, parts[1:]))


def _reward_of(name: str) -> Reward:
    found = sourced(name)
    if found is not None:
        return found
    return FunctionReward(name) if ":" in name else RewardModel(name)


reward_source(PREFIX, spot_checked)
