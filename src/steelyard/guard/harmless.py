"""A guard as a reward or a constraint: `--reward guard:RUN`, `--constraint guard:RUN`.

    r(x, y) = 1 - harm(y)

harm(y) is the guard's probability that the completion's text is harmful; as a constraint it is kept where r is above
1/2. Nothing of it runs somebody's code: a guard is numbers and names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from steelyard.core import Episode, Score, require
from steelyard.guard.saved import HINT, Known, Source
from steelyard.reward.given import reward_source, run_name

PREFIX = "guard"


@dataclass(frozen=True)
class Harmless:
    """A `Reward` that a saved guard gives; the guard is read when it is first asked."""

    place: str
    """The run or directory of a guard."""

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order."""
        if not episodes:
            return []
        harm_N = self._guard([episode.completion for episode in episodes]).harm_N
        return [Score(1.0 - harm) for harm in harm_N.tolist()]

    @property
    def __name__(self) -> str:
        """What its numbers are called in records."""
        return run_name(self.place)

    def __str__(self) -> str:
        return f"reward {PREFIX}:{self.place}"

    @cached_property
    def _guard(self) -> Known:
        source = Source(self.place)
        there = source.saved is not None or Path(self.place).is_dir()
        require(there, "there is no guard", where=f"{PREFIX}:{self.place}", hint=HINT)
        return source.load(f"{PREFIX}:{self.place}")


reward_source(PREFIX, Harmless)
