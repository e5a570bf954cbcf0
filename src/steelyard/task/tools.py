"""Rows of a file, answered with tools: `--environment-factory my_tools.py:Desk` names who has them.

    r = get_reward() of the episode's object, where it has that, else [ final answer of the last turn == the row's ]

How episodes go is told in `tool_use.py`; rows are those of `rows.py`, always as chats, and their columns go to `reset`.
A `--reward` is shown all that follows the prompt, calls and what the tools said among it.
Source: TRL's `environment_factory`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar

import tyro

from steelyard.core import Episode, Prompt, Score, method
from steelyard.reward import Closable
from steelyard.task.loaded import load_callable
from steelyard.task.rows import NO_FILE, Rows
from steelyard.task.tool_use import GET_REWARD, UsesTools
from steelyard.task.wrapped import OF_THE_PROMPTS

FLAG = "--environment-factory"


@method("tools", exemptions=NO_FILE)
@dataclass(frozen=True)
class Tools(UsesTools, Closable):
    """The prompts of a file, each an episode with tools."""

    OWN_DATA: ClassVar[str] = "--path questions.jsonl --environment-factory my_tools.py:Desk"

    rows: Annotated[Rows, tyro.conf.OmitArgPrefixes] = field(default_factory=lambda: Rows(chat=True))
    """Where the prompts come from."""
    environment_factory: str = ""
    """module:Class or path/to/file.py:Class: a class, or a function that returns an object, whose public methods with
    type hints and docstrings are the tools; it also has reset, and perhaps get_reward."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The prompts of "train" or "held-out", in the file's order."""
        return self._rows.prompts(split)

    def close(self) -> None:
        """End what the rows have opened."""
        self._rows.close()

    @cached_property
    def _rows(self) -> Rows:
        """The rows as chats; without answers where the objects score."""
        scored = bool(self.environment_factory) and hasattr(self._made, GET_REWARD)
        return replace(self.rows, chat=True, needs_answer=self.rows.needs_answer and not scored)

    @cached_property
    def _factory(self) -> Callable[[], object]:
        return load_callable(self.environment_factory, FLAG)

    def _make(self) -> object:
        return self._factory()

    def _verify(self, episodes: Sequence[Episode]) -> list[Score]:
        return self._rows.score(episodes)

    def __getattr__(self, name: str) -> Any:
        if name in OF_THE_PROMPTS:
            return getattr(self._rows, name)
        raise AttributeError(f"{type(self).__name__} has no {name!r}")
