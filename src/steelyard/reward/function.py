"""Reward functions of the ecosystem, `f(prompts, completions, **columns) -> list[float | None]`, sync or async.

A name, `module:function` or `path/to/file.py:function`, runs in a killable worker, with a deadline and a limit of
memory. A bare callable runs in the calling process and costs what that means: no deadline, no limit of memory, and a
crash or a hang of it is a crash or a hang of the run. In the local runtime that process also answers the messages of
searchers and learner, and while the callable works everybody waits. Use it for what is quick and tame.

Each column of the prompts is passed as a list, one entry per episode (None where a prompt lacks it). Where a prompt is
chat messages, so is its completion: [{"role": "assistant", "content": text}].
A None or a number that is not finite is a failure of that completion; an exception, a time-out or a death one of the
whole call. A failure gives no reward, never 0, and says why. What breaks the contract (no list, another length, an
entry that is no number) is an error that ends the run.
Source: the convention of Hugging Face TRL's trainers.
"""

import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from steelyard.core import Episode, Positive, Reward, Score, SteelyardError, checked, id_of, require
from steelyard.reward.pool import Closable, Memory, Pool
from steelyard.reward.score import score_of
from steelyard.reward.worker import Reply, call


def _arguments(episodes: Sequence[Episode], where: str) -> dict[str, Any]:
    names = list(dict.fromkeys(name for e in episodes for name in e.prompt.columns))
    for taken in {"prompts", "completions"} & set(names):
        raise SteelyardError(f"the column {taken!r} hides an argument", where=where, hint="rename it in the data")
    return {
        "prompts": [e.prompt.text for e in episodes],
        "completions": [_completion(e) for e in episodes],
        **{name: [e.prompt.columns.get(name) for e in episodes] for name in names},
    }


def _completion(episode: Episode) -> str | list[dict[str, str]]:
    plain = isinstance(episode.prompt.text, str)
    return episode.completion if plain else [{"role": "assistant", "content": episode.completion}]


def _scores(values: Any, count: int, where: str) -> list[Score]:
    hint = "return a list with one number or None for each completion"
    if not isinstance(values, list | tuple):
        raise SteelyardError(f"it returned a {type(values).__name__}, not a list", where=where, hint=hint)
    if len(values) != count:
        raise SteelyardError(f"it returned {len(values)} rewards for {count} completions", where=where, hint=hint)
    for index, value in enumerate(values):
        if value is not None and not isinstance(value, numbers.Real):
            what = f"its reward {index} is a {type(value).__name__}, not a number"
            raise SteelyardError(what, where=where, hint=hint)
    return [score_of(value, where) for value in values]


@checked("reward")
@dataclass(frozen=True)
class FunctionReward(Closable):
    """A reward function as a `Reward`.

    A name is run in a worker that can be killed. A callable is run here, in the calling process: nothing limits its
    time or memory, and in the local runtime searchers and learner wait for it (their messages are answered here).
    """

    function: Callable[..., Any] | str
    """A name, `module:function` or `path/to/file.py:function`, or a callable."""
    timeout_s: Positive = 60.0
    """Deadline of one batch (seconds), where the function is named."""
    memory_mb: Memory = 8192
    """What the child process may allocate (MB), where the function is named."""

    def __post_init__(self) -> None:
        if isinstance(self.function, str):
            place, _, name = self.function.rpartition(":")
            hint = "write module:function or path/to/file.py:function"
            require(bool(place) and name.isidentifier(), "it names no function", where=self._where, hint=hint)

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
            hint = "declare it as f(prompts, completions, **columns)"
            raise SteelyardError(reply.mistake, where=self._where, hint=hint)
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

    A name runs in a killable worker; a bare callable runs in the calling process, without limits, and holds up its
    message loop while it works (see `FunctionReward`).

    Raises:
        SteelyardError: a name is not of the form `module:function` or `path/to/file.py:function`.
    """
    if isinstance(reward, FunctionReward) or (not isinstance(reward, str) and id_of(reward) is not None):
        return reward
    return FunctionReward(reward)
