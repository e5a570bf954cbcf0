"""Reward functions that look at the objects with which episodes were played: TRL's `environments`.

    def f(environments, **columns):
        return [environment.reward for environment in environments]

A function with a parameter of that name gets one for each episode, as the episode's last turn left it. A bare callable
gets the object itself. A function that is given by name runs in a process of its own, where objects cannot follow:
there each is a namespace of the object's plain attributes, those of its classes and its own, without names that begin
with an underscore. To ask it for a property, a method or what a message between processes cannot hold is an error that
says so. A column called `environments` goes before.
Differs from TRL, where the objects themselves reach every function, and also one with **columns alone.
Source: TRL 1.16's GRPOTrainer, `_calculate_rewards`.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

from steelyard.core import Episode, Score
from steelyard.reward.function import FunctionReward
from steelyard.reward.pool import START_S, Pool
from steelyard.reward.weighted import WeightedRewards
from steelyard.reward.wire_values import unfit
from steelyard.reward.worker import Reply

ENVIRONMENTS = "environments"


@dataclass(frozen=True)
class PlayedScore(Score):
    """The score of an episode, with the object that it was played with."""

    environment: object = field(default=None, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True)
class _Held:
    """An object among the columns of a prompt, where all else is copied: it stays the one that it is."""

    environment: object

    def __deepcopy__(self, _: object) -> "_Held":
        return self


@dataclass(frozen=True)
class EnvironmentReward(FunctionReward):
    """A reward function that may also ask for the environments of its episodes."""

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """As `FunctionReward`, with the episodes' environments on offer where all of them have one."""
        outcomes = [e.outcome for e in episodes]
        played = [o for o in outcomes if isinstance(o, PlayedScore)]
        taken = any(ENVIRONMENTS in e.prompt.columns for e in episodes)
        if not played or taken or len(played) < len(episodes) or not self._asks:
            return super().__call__(episodes)
        return super().__call__([_with_environment(e, o) for e, o in zip(episodes, played, strict=True)])

    @cached_property
    def _asks(self) -> bool:
        """Whether a named function has the parameter: else no object is looked through; a callable's cost nothing."""
        if not isinstance(self.function, str):
            return True
        with Pool(f"{Path(__file__).with_name('asked.py')}:parameters", memory_mb=self.memory_mb) as worker:
            reply = worker.call({"target": self.function}, timeout_s=START_S)
        return isinstance(reply.value, list) and ENVIRONMENTS in reply.value

    def _call(self, arguments: dict[str, object], offered: dict[str, object]) -> Reply:
        held = arguments.get(ENVIRONMENTS)
        if not isinstance(held, list) or not all(isinstance(one, _Held) for one in held):
            return super()._call(arguments, offered)
        others = {name: value for name, value in arguments.items() if name != ENVIRONMENTS}
        named = isinstance(self.function, str)
        given = [plain_attributes(one.environment) if named else one.environment for one in held]
        return super()._call(others, {**offered, ENVIRONMENTS: given})


def _with_environment(episode: Episode, played: PlayedScore) -> Episode:
    columns = {**episode.prompt.columns, ENVIRONMENTS: _Held(played.environment)}
    return replace(episode, prompt=replace(episode.prompt, columns=columns))


def plain_attributes(made: object) -> SimpleNamespace:
    """The attributes of an object that a message between processes can hold, by their names.

    >>> class Desk:
    ...     reward = 0.0
    ...     _asked = 3
    >>> plain_attributes(Desk())
    namespace(reward=0.0)
    """
    found: dict[str, object] = {}
    for place in (*reversed(type(made).__mro__[:-1]), made):
        found |= {name: value for name, value in getattr(place, "__dict__", {}).items() if not name.startswith("_")}
    return SimpleNamespace(**{name: value for name, value in found.items() if unfit({name: value}) is None})


def asks_for_environments(reward: object) -> bool:
    """Whether a callable among the rewards has a parameter for environments; of a name nobody knows here."""
    if isinstance(reward, WeightedRewards):
        return any(asks_for_environments(one) for one in reward.rewards)
    if not isinstance(reward, FunctionReward) or isinstance(reward.function, str):
        return False
    try:
        return ENVIRONMENTS in inspect.signature(reward.function).parameters
    except (TypeError, ValueError):  # a builtin without a signature
        return False
