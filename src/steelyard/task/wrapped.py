"""A task around another: prompts, stops and all that rooms ask for beside scores are those of the inner task."""

from collections.abc import Sequence
from typing import Any

from steelyard.core import Prompt, Stops, Task
from steelyard.reward import Closable

OF_THE_PROMPTS = ("columns", "demonstration", "domains", "fetches", "models", "needs_answer", "notes", "path")
"""What rooms ask a task for besides prompts and scores, where it has it: here the inner task answers."""


class Wrapped(Closable):
    """What such tasks have in common; a subclass, a frozen dataclass, has the inner one as its field `task`."""

    task: Task

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The prompts of the inner task."""
        return self.task.prompts(split)

    @property
    def stop(self) -> Sequence[str]:
        """The strings that end a completion: those of the inner task."""
        return self.task.stop if isinstance(self.task, Stops) else ()

    def close(self) -> None:
        """End the child processes of the verifier."""
        if isinstance(self.task, Closable):
            self.task.close()

    def __getattr__(self, name: str) -> Any:
        if name in OF_THE_PROMPTS:
            return getattr(self.task, name)
        raise AttributeError(f"{type(self).__name__} has no {name!r}")
