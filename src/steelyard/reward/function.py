"""Reward functions of the ecosystem, `f(prompts, completions, **columns) -> list[float | None]`, sync or async.

A bare callable runs in the calling process, without a deadline. A name, `module:function` or
`path/to/file.py:function`, runs in a killable worker. Each column of the prompts is passed as a list, one entry per
episode (None where a prompt lacks it). Where a prompt is chat messages, so is its completion:
[{"role": "assistant", "content": text}]. A None, a non-finite number, an exception, a time-out or a death gives no
reward, never 0, and says why.
Source: the convention of Hugging Face TRL's trainers.
"""

import math
import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from steelyard.core import Episode, Reward, Score, SteelyardError, id_of, require
from steelyard.reward.pool import Closable, Pool, require_limits
from steelyard.reward.worker import Reply, call


def _arguments(episodes: Sequence[Episode], where: str) -> dict[str, Any]:
    names = list(dict.fromkeys(name for e in episodes for name in e.prompt.columns))
    for taken in {"prompts", "completions"} & set(names):
        raise SteelyardError(f"the column {taken!r} hides an argument", where=where, mend="rename it in the data")
    return {
        "prompts": [e.prompt.text for e in episodes],
        "completions": [_completion(e) for e in episodes],
        **{name: [e.prompt.columns.get(name) for e in episodes] for name in names},
    }


def _completion(episode: Episode) -> str | list[dict[str, str]]:
    plain = isinstance(episode.prompt.text, str)
    return episode.completion if plain else [{"role": "assistant", "content": episode.completion}]


def _scores(values: Any, count: int, where: str) -> list[Score]:
    mend = "return a list with one number or None for each completion"
    if not isinstance(values, list | tuple):
        raise SteelyardError(f"it returned a {type(values).__name__}, not a list", where=where, mend=mend)
    if len(values) != count:
        raise SteelyardError(f"it returned {len(values)} rewards for {count} completions", where=where, mend=mend)
    for index, value in enumerate(values):
        if value is not None and not isinstance(value, numbers.Real):
            what = f"its reward {index} is a {type(value).__name__}, not a number"
            raise SteelyardError(what, where=where, mend=mend)
    return [_score(value, where) for value in values]


def _score(value: Any, where: str) -> Score:
    try:
        number = math.nan if value is None else float(value)
    except OverflowError:  # an integer beyond all floats
        number = math.inf
    if math.isfinite(number):
        return Score(number)
    return Score(None, error=f"{where}: it gave {value if value is None else number} for this completion")


@dataclass(frozen=True)
class FunctionReward(Closable):
    """A reward function as a `Reward`."""

    function: Callable[..., Any] | str
    """A callable, or a name: `module:function` or `path/to/file.py:function`."""
    timeout_s: float = 60.0
    """Deadline of one batch (seconds), where the function is named."""
    memory_mb: int = 8192
    """What the child process may allocate (MB), where the function is named."""

    def __post_init__(self) -> None:
        require_limits(self.timeout_s, 1, self.memory_mb, where="reward")
        if isinstance(self.function, str):
            place, _, name = self.function.rpartition(":")
            mend = "write module:function or path/to/file.py:function"
            require(bool(place) and name.isidentifier(), "it names no function", where=self._where, mend=mend)

    @property
    def _where(self) -> str:
        f = self.function
        return f"reward {f if isinstance(f, str) else getattr(f, '__name__', type(f).__name__)!r}"

    @cached_property
    def _pool(self) -> Pool:
        assert isinstance(self.function, str)
        return Pool(self.function, memory_mb=self.memory_mb)

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order; where the call fails, each says so and none has a value.

        Raises:
            SteelyardError: the function cannot be loaded, does not take the columns, or returns anything but a list of
                one number or None for each episode.
        """
        if not episodes:
            return []
        reply = self._call(_arguments(episodes, self._where))
        if reply.mistake:
            mend = "declare it as f(prompts, completions, **columns)"
            raise SteelyardError(reply.mistake, where=self._where, mend=mend)
        if reply.error:
            return [Score(None, error=f"{self._where}: {reply.error}")] * len(episodes)
        return _scores(reply.value, len(episodes), self._where)

    def _call(self, arguments: dict[str, Any]) -> Reply:
        if isinstance(self.function, str):
            return self._pool.call(arguments, timeout_s=self.timeout_s)
        return call(self.function, arguments)

    def close(self) -> None:
        """End the child process, if there is one."""
        if isinstance(self.function, str):
            self._pool.close()


def reward_function(reward: Callable[..., Any] | str) -> Reward:
    """What a user gives as a reward, as a `Reward`: a verifier of ours stays as it is, all else is a reward function.

    Raises:
        SteelyardError: a name is not of the form `module:function` or `path/to/file.py:function`.
    """
    if isinstance(reward, FunctionReward) or (not isinstance(reward, str) and id_of(reward) is not None):
        return reward
    return FunctionReward(reward)
