"""Labels of single steps, by a function of the user's own: for objectives that learn from steps, such as Step-KTO.

    f(prompts, completions, **columns) -> for each completion a list with one number for each of its lines

A step is a line of the completion that is not blank. Its number is above 0 where the step is right, below 0 where it is
wrong, and 0 where nobody knows; it stands in `reward_T` at the step's last token. The function is named, and runs in a
worker that can be killed. Where it fails on a batch, the batch has no reward: a failure is never a label of 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32

from steelyard.core import Episode, Positive, SteelyardError, Trajectory, checked
from steelyard.reward import Closable, Pool
from steelyard.reward.function import arguments_of
from steelyard.reward.score import number_of
from steelyard.searcher.text_parts import Decode, token_of


@checked("step_reward")
@dataclass(frozen=True)
class StepLabels(Closable):
    """Labels the steps of trajectories."""

    function: str
    """A name, module:function or path/to/file.py:function."""
    timeout_s: Positive = 60.0
    """Deadline of one batch (seconds)."""

    def __call__(
        self, trajectories: Sequence[Trajectory], episodes: Sequence[Episode], decode: Decode
    ) -> list[Trajectory]:
        """The trajectories with their steps' labels.

        Args:
            trajectories: with or without a reward.
            episodes: the same, as a verifier sees them.
            decode: tokens to text, as the completions were made.

        Raises:
            SteelyardError: the function cannot be loaded, or breaks its contract.
        """
        values = self.labels(episodes)
        if isinstance(values, str):
            return [t.replace(reward=None, info={**t.info, "error": values}) for t in trajectories]
        return [
            t.replace(reward_T=placed(t, e.completion, steps, decode))
            for t, e, steps in zip(trajectories, episodes, values, strict=True)
        ]

    def labels(self, episodes: Sequence[Episode]) -> list[list[float]] | str:
        """The label of every step of every episode, or why there are none.

        Raises:
            SteelyardError: as for a call.
        """
        reply = self._pool.call(arguments_of(episodes, str(self)), timeout_s=self.timeout_s, offered={})
        if reply.mistake:
            hint = "declare it as f(prompts, completions, **columns)"
            raise SteelyardError(reply.mistake, where=str(self), hint=hint)
        if reply.error:
            return f"{self}: {reply.error}"
        return [self._numbers(steps, e) for steps, e in zip(self._listed(reply.value, episodes), episodes, strict=True)]

    def _listed(self, value: object, episodes: Sequence[Episode]) -> list[object]:
        if isinstance(value, list) and len(value) == len(episodes):
            return value
        what = f"it returned {f'{len(value)} lists' if isinstance(value, list) else type(value).__name__}"
        raise SteelyardError(f"{what} for {len(episodes)} completions", where=str(self), hint=_HINT)

    def _numbers(self, steps: object, episode: Episode) -> list[float]:
        wanted = len(step_ends(episode.completion))
        numbers = [number_of(step) for step in steps] if isinstance(steps, list) else [None]
        known = [number for number in numbers if number is not None]
        if len(known) == len(numbers) == wanted:
            return known
        what = f"it returned {steps!r:.60} for a completion of {wanted} lines, {episode.completion!r:.40}"
        raise SteelyardError(what, where=str(self), hint=_HINT)

    def __str__(self) -> str:
        return f"step reward {self.function!r}"

    @cached_property
    def _pool(self) -> Pool:
        return Pool(self.function)

    def close(self) -> None:
        """End the child process."""
        self._pool.close()


_HINT = "return a list for each completion, with one number for each of its lines that are not blank"


def step_ends(completion: str) -> list[int]:
    """Where each step of a completion ends: characters up to the end of each line that is not blank."""
    ends = []
    at = 0
    for line in completion.splitlines(keepends=True):
        if line.strip():
            ends.append(at + len(line.rstrip()))
        at += len(line)
    return ends


def placed(
    trajectory: Trajectory, completion: str, labels: Sequence[float], decode: Decode
) -> Float32[np.ndarray, "T"]:
    """The labels at the last token of their steps, 0 elsewhere; of two steps in one token the later one counts."""
    reward_T = np.zeros(len(trajectory.tokens_T), np.float32)
    places = np.flatnonzero(trajectory.action_T)
    tokens = trajectory.tokens_T[places].tolist()
    for end, label in zip(step_ends(completion), labels, strict=True):
        reward_T[places[token_of(tokens, end, decode)]] = label
    return reward_T
