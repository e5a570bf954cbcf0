"""A task with another verifier."""

from collections.abc import Sequence
from typing import Any

from steelyard.core import Episode, Prompt, Reward, Score


class Scored:
    """A task whose verifier is replaced by a reward function; whatever else the task can do, this can."""

    def __init__(self, task: Any, reward: Reward) -> None:
        self.task = task
        self.reward = reward
        self.needs_answer = True  # something scores, whatever the task was given

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The task's prompts."""
        return self.task.prompts(split)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """The reward function's scores."""
        return self.reward(episodes)

    def __str__(self) -> str:
        return str(self.reward)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task, name)
