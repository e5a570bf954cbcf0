"""Whether what a generator wrote came to its end: for builders that must not teach what was cut off."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from steelyard.data.builder import Question, Tools


@dataclass(frozen=True)
class Written:
    """A text of a generator."""

    text: str
    ended: bool = True
    """False where the length limit cut it off."""


@runtime_checkable
class TellsEndings(Protocol):
    """A generator that knows which of its texts were cut off."""

    def written(self, questions: Sequence[Question], seed: int) -> list[Written]:
        """The answer to each question, in order."""
        ...


def written(tools: Tools, questions: Sequence[Question]) -> list[Written]:
    """The generator's answer to each question; of one that does not know, all count as ended.

    Raises:
        SteelyardError: there is no generator.
    """
    if isinstance(tools.generator, TellsEndings):
        return tools.generator.written(questions, tools.seed)
    return [Written(text) for text in tools.generate(questions)]
