"""What a user may give as a reward, and how it is read.

    f                    one reward: a callable, a verifier of ours, or a name such as module:function
    [f, (g, 0.5)]        several: a pair is a reward with its weight. A tuple is read like a list
    module:g=0.5         a name with its weight, as the command line writes it
    guard:RUN            a name whose first word is a source: whoever makes such rewards says so (`reward_source`)
    ctrl-u:love:RUN      a source around another

Anything else is refused: a reward that is quietly passed over would leave a run to learn something else.
"""

import inspect
import math
import numbers
from collections.abc import Callable
from pathlib import Path
from typing import cast

from steelyard.core import Reward, SteelyardError, id_of, require
from steelyard.reward.environments import EnvironmentReward
from steelyard.reward.function import FunctionReward
from steelyard.reward.weighted import WHERE, WeightedRewards

TIMEOUT_S = 60.0
"""Deadline of a batch of a named reward function (seconds), where no other is set."""
_SOURCES: dict[str, Callable[[str], Reward]] = {}
_FORMS = "give a function, module:function, or a list of them, where (function, 0.5) is one with a weight"


def reward_source(prefix: str, make: Callable[[str], Reward]) -> None:
    """Have `prefix:PLACE` name the reward that `make(PLACE)` gives; reading what is there waits until it is called."""
    _SOURCES[prefix] = make


def sourced(name: str) -> Reward | None:
    """The reward of a name that begins with a source; None for any other name.

    Raises:
        SteelyardError: nothing follows the source.
    """
    prefix, colon, place = name.partition(":")
    make = _SOURCES.get(prefix) if colon else None
    if make is None:
        return None
    require(bool(place), "names no directory", where=f"{WHERE} {name!r}", hint=f"write {prefix}:RUN")
    return make(place)


def run_name(place: str) -> str:
    """What the numbers of a run's model are called in records: the run's name, so that two runs are told apart."""
    path = Path(place).resolve()
    return path.parent.name if path.name == "model" else path.name


def reward_function(reward: object, *, timeout_s: float = TIMEOUT_S, max_steps: int = 0) -> Reward:
    """What a user gives as a reward, as a `Reward`: a verifier of ours stays as it is, all else is a reward function.

    A name runs in a killable worker; a bare callable runs in the calling process, without limits, and holds up its
    message loop while it works (see `FunctionReward`). A list or tuple of rewards is their weighted sum.

    Args:
        reward: one reward, or a list or tuple of rewards and of pairs (reward, weight).
        timeout_s: deadline of a batch of each named function (seconds).
        max_steps: learner steps of the run, for functions that ask; 0 where nobody knows. A reward of ours, or of a
            source, does not pass it on.

    Raises:
        SteelyardError: it is nothing of this kind.
    """
    parts = parts_of(reward)
    found = tuple(_one(given, timeout_s, max_steps) for given, _ in parts)
    weights = tuple(weight for _, weight in parts)
    alone = len(parts) == 1 and weights == (1.0,) and not isinstance(reward, list | tuple)
    return found[0] if alone else WeightedRewards(found, weights)


def named_rewards(reward: object) -> tuple[str, ...] | None:
    """The names of a reward that is given by names alone, each with its weight if it has one; None for any other.

    Raises:
        SteelyardError: it is no reward at all.
    """
    reward_function(reward)
    parts = parts_of(reward)
    named = [(given, weight) for given, weight in parts if isinstance(given, str)]
    if len(named) < len(parts):
        return None
    return tuple(given if weight == 1.0 else f"{given}={weight!r}" for given, weight in named)


def parts_of(reward: object) -> list[tuple[object, float]]:
    """Each reward with its weight.

    Raises:
        SteelyardError: there is none, or a weight is no finite number.
    """
    if not isinstance(reward, list | tuple):
        return [_part(reward)]
    if not reward:
        raise SteelyardError(f"the {type(reward).__name__} is empty", where=WHERE, hint=_FORMS)
    return [_part(part) for part in reward]


def _part(part: object) -> tuple[object, float]:
    """A reward, or a pair of one with its weight; a name may have a weight of its own, and then both count."""
    given, times = part, 1.0
    if isinstance(part, tuple):
        if len(part) != 2:
            raise SteelyardError(f"a tuple of {len(part)} is no pair", where=WHERE, hint=_FORMS)
        given, times = part[0], _weight(part[1])
    if not isinstance(given, str):
        return given, times
    place, colon, last = given.rpartition(":")
    name, equals, weight = last.partition("=")
    if not equals:
        return given, times
    return f"{place}{colon}{name}", times * _weight(_number(weight, given))


def _number(text: str, given: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        what = f"{text!r} is no weight"
        raise SteelyardError(what, where=f"{WHERE} {given!r}", hint="write it as module:function=0.5") from error


def _weight(value: object) -> float:
    if isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise SteelyardError(f"the weight {value!r:.40} is no finite number", where=WHERE, hint=_FORMS)


def _one(given: object, timeout_s: float, max_steps: int) -> Reward:
    if isinstance(given, str):
        found = sourced(given)
        return EnvironmentReward(given, timeout_s=timeout_s, max_steps=max_steps) if found is None else found
    if isinstance(given, type) or not callable(given):
        what = f"the class {given.__name__}" if isinstance(given, type) else f"{given!r:.60}"
        raise SteelyardError(f"{what} is no reward", where=WHERE, hint=_FORMS)
    ours = isinstance(given, FunctionReward | WeightedRewards) or id_of(given) is not None
    if ours or _scores_episodes(given):
        return cast(Reward, given)
    return EnvironmentReward(given, max_steps=max_steps)


def _scores_episodes(given: Callable[..., object]) -> bool:
    """Whether it is a `Reward` of the user's own: called on episodes, not on prompts and completions."""
    try:
        return list(inspect.signature(given).parameters)[:1] == ["episodes"]
    except (TypeError, ValueError):  # a builtin without a signature
        return False
