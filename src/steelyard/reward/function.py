"""Reward functions of the ecosystem, `f(prompts, completions, **columns) -> list[float | None]`, sync or async.

A name, `module:function` or `path/to/file.py:function`, runs in a killable worker, with a deadline and a limit of
memory. A bare callable runs in the calling process and costs what that means: no deadline, no limit of memory, and a
crash or a hang of it is a crash or a hang of the run. In the local runtime that process also answers the messages of
searchers and learner, and while the callable works everybody waits. Use it for what is quick and tame.

Each column of the prompts is passed as a list, one entry per episode (None where a prompt lacks it). Where a prompt is
chat messages, so is its completion: [{"role": "assistant", "content": text}]. All of it is the function's own: whatever
it changes, no other call sees it. A function with parameters of these names is told more:

    finish            how each completion ended: "stop", "length", or None where nobody knows
    completion_ids    its tokens, from the first that the policy chose; None where nobody sampled it
    trainer_state     .global_step, the version of the newest weights that sampled any of it: the learner's step behind
                      them, and more than that after a resume of the local runtime; .max_steps, its steps in all, 0
                      where nobody knows them
    log_extra         log_extra(column, values): a value for each completion. Numbers join the reward's parts, which
                      records show as search/reward/COLUMN, and other values the trajectories' info
    log_metric        log_metric(name, value): a number of the whole batch, shown as search/reward/NAME

A None or a number that is not finite is a failure of that completion; an exception, a time-out or a death one of the
whole call. A failure gives no reward, never 0, and says why. What breaks the contract (no list, another length, an
entry that is no number) is an error that ends the run.
Differs from TRL, where a function with **columns gets all of these in it: here it gets the columns alone.
Source: the convention of Hugging Face TRL's trainers (1.16).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from steelyard.core import Episode, NonNegativeInt, Positive, Score, SteelyardError, checked, require
from steelyard.core.copies import own
from steelyard.reward.pool import Closable, Memory, Pool
from steelyard.reward.score import number_of, score_of
from steelyard.reward.worker import STATE, Reply, call


def arguments_of(episodes: Sequence[Episode], where: str) -> dict[str, object]:
    """What a function of the ecosystem is called with: prompts, completions and every column, as lists.

    Raises:
        SteelyardError: a column has the name of another argument.
    """
    names = list(dict.fromkeys(name for e in episodes for name in e.prompt.columns))
    for taken in {"prompts", "completions"} & set(names):
        raise SteelyardError(f"the column {taken!r} hides an argument", where=where, hint="rename it in the data")
    return {
        "prompts": [own(e.prompt.text) for e in episodes],
        "completions": [_completion(e) for e in episodes],
        **{name: [own(e.prompt.columns.get(name)) for e in episodes] for name in names},
    }


def _completion(episode: Episode) -> str | list[dict[str, str]]:
    plain = isinstance(episode.prompt.text, str)
    return episode.completion if plain else [{"role": "assistant", "content": episode.completion}]


def offered_to(episodes: Sequence[Episode], max_steps: int) -> dict[str, object]:
    """What a function is given besides where it has parameters of these names."""
    newest = max(e.trajectory.version for e in episodes)
    return {
        "finish": [e.finish for e in episodes],
        "completion_ids": [_tokens(e) for e in episodes],
        STATE: {"global_step": newest, "max_steps": max_steps},
    }


def _tokens(episode: Episode) -> list[int] | None:
    """All that follows the prompt; of a text that nobody sampled nothing is known, unless it is empty."""
    t = episode.trajectory
    if not t.digest:
        return None if episode.completion or len(t.tokens_T) else []
    return t.tokens_T[int(t.action_T.argmax()) :].tolist()


def _with_told(scores: Sequence[Score], reply: Reply, where: str) -> list[Score]:
    """The scores with what the function said through `log_extra` and `log_metric`."""
    for column, values in reply.columns.items():
        what = f"log_extra({column!r}) got {len(values)} values for {len(scores)} completions"
        require(len(values) == len(scores), what, where=where, hint="give one value for each completion")
    said: list[dict[str, Any]] = [
        {column: values[i] for column, values in reply.columns.items()} for i in range(len(scores))
    ]
    found: list[Score] = []
    for score, row in zip(scores, said, strict=True):
        numbers = {name: number for name, value in row.items() if (number := number_of(value)) is not None}
        others = {name: value for name, value in row.items() if name not in numbers}
        finite = {name: value for name, value in (reply.metrics | numbers).items() if math.isfinite(value)}
        found.append(replace(score, parts={**score.parts, **finite}, info={**score.info, **others}))
    return found


def _scores(values: Any, episodes: Sequence[Episode], where: str) -> list[Score]:
    hint = "return a list with one number or None for each completion"
    if getattr(values, "ndim", None) == 1:  # an array of numpy or a tensor of torch
        values = values.tolist()
    if not isinstance(values, list | tuple):
        raise SteelyardError(f"it returned a {type(values).__name__}, not a list", where=where, hint=hint)
    if len(values) != len(episodes):
        what = f"it returned {len(values)} rewards for {len(episodes)} completions"
        raise SteelyardError(what, where=where, hint=hint)
    for index, (value, episode) in enumerate(zip(values, episodes, strict=True)):
        if value is not None and number_of(value) is None:
            what = f"its reward {index} is a {type(value).__name__}, not a number, for {_told(episode)}"
            raise SteelyardError(what, where=where, hint=hint)
    return [score_of(value, where) for value in values]


def _told(episode: Episode) -> str:
    return f"the completion {episode.completion!r:.40} of the prompt {str(episode.prompt.text)!r:.60}"


@checked("reward")
@dataclass(frozen=True)
class FunctionReward(Closable):
    """A reward function as a `Reward`.

    A name is run in a worker that can be killed. A callable is run here, in the calling process: nothing limits its
    time or memory, and in the local runtime searchers and learner wait for it (their messages are answered here).
    """

    function: Callable[..., object] | str
    """A name, `module:function` or `path/to/file.py:function`, or a callable."""
    timeout_s: Positive = 60.0
    """Deadline of one batch (seconds), where the function is named."""
    memory_mb: Memory = 8192
    """What the child process may allocate (MB), where the function is named."""
    max_steps: NonNegativeInt = 0
    """Learner steps of the run, which a function may ask for; 0 where nobody knows, as inside another reward."""

    def __post_init__(self) -> None:
        if isinstance(self.function, str):
            place, _, name = self.function.rpartition(":")
            hint = "write module:function or path/to/file.py:function"
            require(bool(place) and name.isidentifier(), "it names no function", where=self._where, hint=hint)

    @property
    def name(self) -> str:
        """What its numbers are called: the name of the function, without its module."""
        f = self.function
        return f.rpartition(":")[2] if isinstance(f, str) else getattr(f, "__name__", type(f).__name__)

    def __str__(self) -> str:
        return f"reward {self.function if isinstance(self.function, str) else self.name!r}"

    @property
    def _where(self) -> str:
        return str(self)

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
        reply = self._call(arguments_of(episodes, self._where), offered_to(episodes, self.max_steps))
        if reply.mistake:
            hint = reply.hint or "declare it as f(prompts, completions, **columns)"
            raise SteelyardError(reply.mistake, where=self._where, hint=hint)
        if reply.error:
            return [Score(None, error=f"{self._where}: {reply.error}")] * len(episodes)
        scores = _scores(reply.value, episodes, self._where)
        return _with_told(scores, reply, self._where) if reply.columns or reply.metrics else scores

    def _call(self, arguments: dict[str, object], offered: dict[str, object]) -> Reply:
        if isinstance(self.function, str):
            return self._pool.call(arguments, timeout_s=self.timeout_s, offered=offered)
        return call(self.function, arguments, offered)

    def close(self) -> None:
        """End the child process, if there is one."""
        if isinstance(self.function, str):
            self._pool.close()
