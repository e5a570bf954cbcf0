"""Tools: an object for each episode, whose typed methods the policy calls in its chat; TRL's `environment_factory`.

    user        37*46                                                      the prompt, and what `reset` returned
    assistant   <tool_call>{"name": "calculate", "arguments": {...}}</tool_call>            a turn of the policy
    tool        1702                                                       what the method returned, as text
    assistant   1702                                                       a turn without a call ends the episode

The chat template gets a schema of every public method (`apply_chat_template(tools=...)`), made of its type hints and
its docstring, and renders what the tools say. What the policy said is never rendered or tokenised again. A call is JSON
with `name` and `arguments` (or `parameters`): between the marks above, or as the whole turn. One that cannot be read,
names no tool, or raises, is answered by {"error": ...}, and the episode goes on.

`get_reward`, where the object has it, scores the episode at its end; else the task judges the last turn. The score
brings the object along, so that a reward function can look at it (`reward.environments`).
Differs from TRL: an object plays one episode, where TRL resets and reuses it; it lives in the searcher's process.
Source: TRL 1.16's GRPOTrainer.
"""

import asyncio
import inspect
import json
import re
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from steelyard.core import (
    Environment,
    Episode,
    Positive,
    PositiveInt,
    Prompt,
    Score,
    SteelyardError,
    checked,
    outcomes,
    require,
)
from steelyard.core.json import JsonObject
from steelyard.reward.environments import PlayedScore
from steelyard.reward.score import score_of

RESET = "reset"
GET_REWARD = "get_reward"
LAST = "last turn"
"""Where the answer was read."""
_MARKED = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)


class Call(NamedTuple):
    """A call of a tool, as the policy wrote it."""

    name: str
    arguments: Mapping[str, object]
    error: str = ""
    """Why it cannot be read."""


def calls_in(said: str) -> list[Call]:
    """The calls in a turn, in order; none where the turn is an answer."""
    if marked := _MARKED.findall(said):
        return [_call(text) for text in marked]
    alone = _call(said) if said.strip().startswith("{") else None
    return [] if alone is None or alone.error else [alone]


def _call(text: str) -> Call:
    try:
        found = json.loads(text)
        arguments = found.get("arguments", found.get("parameters"))
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, AttributeError, RecursionError) as error:
        return Call("", {}, f"the call is no JSON object: {error}")
    if not isinstance(found.get("name"), str) or not isinstance(arguments, dict):
        return Call("", {}, "the call needs a name and an object of arguments")
    return Call(found["name"], arguments)


def tools_of(made: object) -> dict[str, Callable[..., object]]:
    """The public methods of an object that are tools, by name."""
    names = [name for name, _ in inspect.getmembers(type(made), inspect.isfunction)]
    return {name: getattr(made, name) for name in names if name not in (RESET, GET_REWARD) and name[0] != "_"}


def schemas_of(made: object, where: str) -> list[JsonObject]:
    """What a chat template is told of an object's tools.

    Raises:
        SteelyardError: it has no `reset` or no tool, or a tool lacks type hints or the docstring of its arguments.
    """
    from transformers.utils.chat_template_utils import (
        DocstringParsingException,
        TypeHintParsingException,
        get_json_schema,
    )

    require(callable(getattr(made, RESET, None)), "it has no method reset", where=where, hint="add reset(self, **row)")
    tools = tools_of(made)
    require(bool(tools), "it has no tools", where=where, hint="add a public method with type hints and a docstring")
    found = []
    for name, tool in tools.items():
        try:
            found.append(get_json_schema(tool))
        except (DocstringParsingException, TypeHintParsingException) as error:
            hint = "give every argument a type hint and a line under Args: in the docstring"
            raise SteelyardError(f"its tool {name!r} cannot be described ({error})", where=where, hint=hint) from error
    return found


class ToolEpisode:
    """One episode with one object.

    Args:
        made: the object, fresh from its factory.
    """

    def __init__(self, made: Any) -> None:
        self._made = made
        self._tools = tools_of(made)

    def reset(self, prompt: Prompt) -> list[dict[str, str]]:
        """The prompt's messages; what the object's `reset` returned is added to the last one."""
        row = {**prompt.columns, "prompt": prompt.text}
        known = inspect.signature(self._made.reset).parameters
        every = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in known.values())
        told = self._made.reset(**{name: value for name, value in row.items() if every or name in known})
        asked = prompt.text
        messages = (
            [{"role": "user", "content": asked}] if isinstance(asked, str) else [{**message} for message in asked]
        )
        if told is None:
            return messages
        if not isinstance(told, str):
            raise TypeError(f"reset returned a {type(told).__name__}, which is neither text nor None")
        return [*messages[:-1], {**messages[-1], "content": messages[-1]["content"] + told}]

    def step(self, completion: str) -> Any:
        """What the tools say, as messages, or the end."""
        calls = calls_in(completion)
        if not calls:
            return self._end(completion)
        if any(inspect.iscoroutinefunction(self._tools.get(call.name)) for call in calls):
            return self._answers(calls)
        return [_message(call, self._result(call)) for call in calls]

    def truncate(self, completion: str) -> Any:
        """The score as it stands."""
        return self._end(completion)

    async def _answers(self, calls: Sequence[Call]) -> list[dict[str, str]]:
        """Coroutines run side by side, and other tools beside them in threads."""
        return [
            _message(call, found)
            for call, found in zip(calls, await asyncio.gather(*map(self._awaited, calls)), strict=True)
        ]

    async def _awaited(self, call: Call) -> object:
        if call.error or call.name not in self._tools:
            return self._result(call)
        if not inspect.iscoroutinefunction(self._tools[call.name]):
            return await asyncio.wrap_future(_begun(self._result, call))
        try:
            return await self._tools[call.name](**call.arguments)  # pyright: ignore[reportGeneralTypeIssues]
        except Exception as error:  # noqa: BLE001  a tool's error is what the policy is told
            return {"error": str(error)}

    def _result(self, call: Call) -> object:
        if call.error or call.name not in self._tools:
            return {"error": call.error or f"Tool {call.name} not found."}  # in TRL's words
        try:
            return self._tools[call.name](**call.arguments)
        except Exception as error:  # noqa: BLE001  a tool's error is what the policy is told
            return {"error": str(error)}

    def _end(self, said: str) -> Any:
        unscored = self.so_far(said)
        if not hasattr(self._made, GET_REWARD):
            return unscored
        value = self._made.get_reward()
        return _later(value, unscored) if inspect.isawaitable(value) else _scored(value, unscored)

    def so_far(self, said: str = "") -> PlayedScore:
        """The object as it is now, and a last turn that nobody has judged."""
        return PlayedScore(None, read=said, read_from=LAST, environment=self._made)


def _begun(function: Callable[[Call], object], call: Call) -> Future[object]:
    """A call in a daemon thread: one that never returns holds up neither the other tools nor the end of the program."""
    future: Future[object] = Future()
    future.set_running_or_notify_cancel()  # so that an episode that gave up does not make the late answer an error
    threading.Thread(target=lambda: future.set_result(function(call)), daemon=True).start()
    return future


async def _later(value: Awaitable[object], unscored: PlayedScore) -> PlayedScore:
    return _scored(await value, unscored)


def _scored(value: object, unscored: PlayedScore) -> PlayedScore:
    given = score_of(value, GET_REWARD)
    return replace(unscored, value=given.value, error=given.error)


def _message(call: Call, result: object) -> dict[str, str]:
    return {"role": "tool", "name": call.name, "content": str(result)}


@checked()
@dataclass(frozen=True)
class UsesTools:
    """What tasks with tools have in common; `_make` gives an object, and `_verify` judges last turns."""

    max_turns: PositiveInt = 8
    """Turns of the policy in an episode, calls and the answer among them."""
    deadline_s: Positive = 30.0
    """Seconds that the tools may take for the calls of a turn."""

    @cached_property
    def tools(self) -> Sequence[JsonObject]:
        """What the chat template is told of the tools."""
        return schemas_of(self._made, f"environment {type(self._made).__name__}")

    @cached_property
    def _made(self) -> object:
        """An object to be looked at, which plays no episode."""
        return self._make()

    def environment(self, prompt: Prompt, sample: int) -> Environment:
        """An episode with an object of its own."""
        return ToolEpisode(self._make())

    def just_reset(self, prompt: Prompt) -> Score:
        """The outcome of an episode in which nothing was said, for a look at a reward before the run."""
        episode = ToolEpisode(self._make())
        episode.reset(prompt)
        return episode.so_far()

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """What the objects say, or else the verdict on the last turns."""
        if hasattr(self._made, GET_REWARD):
            return outcomes(episodes)
        said = [Score(None) if episode.outcome is None else episode.outcome for episode in episodes]
        last = [
            Episode.written(e.prompt, s.read or "", e.finish or "stop") for e, s in zip(episodes, said, strict=True)
        ]
        return self._verify(last)

    def _make(self) -> object:
        raise NotImplementedError

    def _verify(self, episodes: Sequence[Episode]) -> list[Score]:
        raise NotImplementedError
