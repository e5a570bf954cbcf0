"""Admission: what may enter a replay, the bound on staleness, and the counters.

staleness = learner version - trajectory version        in versions; never inferred from clocks
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from steelyard.core import NonNegativeInt, SteelyardError, Trajectory, checked, require

OverAge = Literal["drop", "wait"]

COUNTERS = ("admitted", "refused", "unknown_version", "errors", "evicted", "duplicates")
"""Counters of every replay. Each kind of replay adds its own."""


@checked("replay")
@dataclass(frozen=True)
class AgeLimit:
    """The bound on staleness, and what happens to data beyond it.

    "drop": over-age data is refused on arrival and evicted before a draw. "wait": it is kept but never selected, and
    the learner waits for newer data.

    Raises:
        SteelyardError: a negative bound, or an unknown rule.
    """

    max_staleness: NonNegativeInt | None
    over_age: OverAge

    def floor(self, version: int) -> int | float:
        """The oldest weights version whose data a learner at `version` may train on; -inf without a bound."""
        return -math.inf if self.max_staleness is None else version - self.max_staleness

    @property
    def drops(self) -> bool:
        """True if over-age data is refused and evicted."""
        return self.max_staleness is not None and self.over_age == "drop"

    @property
    def waits(self) -> bool:
        """True if over-age data is kept and the learner waits."""
        return self.max_staleness is not None and self.over_age == "wait"

    def refuses(self, trajectory: Trajectory, version: int) -> bool:
        """True if a trajectory that arrives while the learner is at `version` is too old to be admitted."""
        return self.drops and trajectory.version < self.floor(version)


def check_finite(trajectories: Sequence[Trajectory]) -> None:
    """Refuse infinite and NaN values. A reward of None is allowed: it means that the verifier failed.

    Raises:
        SteelyardError: a reward or log-probability that is infinite or not a number.
    """
    logps = [logp_T for t in trajectories for logp_T in (t.logp_behaviour_T, t.logp_ref_T) if logp_T is not None]
    rewarded = all(t.reward is None or math.isfinite(t.reward) for t in trajectories)
    if rewarded and (not logps or np.isfinite(np.concatenate(logps)).all()):
        return
    for t in trajectories:
        _check_finite(t)


def _check_finite(t: Trajectory) -> None:
    """Raise the error for one trajectory, if it has one."""
    where = f"replay: prompt {t.prompt_id!r}, sample {t.sample}"
    if t.reward is not None and not math.isfinite(t.reward):
        raise SteelyardError(f"reward is {t.reward}", where=where, hint="return a finite reward, or None for a failure")
    for name in ("logp_behaviour_T", "logp_ref_T"):
        logp_T = getattr(t, name)
        if logp_T is not None and not np.isfinite(logp_T).all():
            raise SteelyardError(f"{name} is not finite", where=where, hint="check the engine that computed it")


def check_request(num_prompts: int, num_generations: int) -> None:
    """Refuse to draw nothing.

    Raises:
        SteelyardError: fewer than one prompt or one generation.
    """
    for name, value in (("num_prompts", num_prompts), ("num_generations", num_generations)):
        require(value >= 1, f"{name} is {value}", where="replay", hint="use 1 or more")
