"""Completions with their scores, from which every held-out metric is computed."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from steelyard.core import Engine, Episode, Interactive, Prompt, Sampling, Task, Trajectory, require
from steelyard.rollout.episodes import Codec, Episodes

Encode = Callable[[str | list[dict[str, str]]], Sequence[int]]
"""A prompt's text or chat messages to token ids."""
Decode = Callable[[Sequence[int]], str]
"""Token ids to text."""


@dataclass(frozen=True)
class Answer:
    """A finished episode and its score: None where the verifier failed, generation did, or the score is not finite."""

    episode: Episode
    value: float | None
    correct: bool

    @property
    def completion(self) -> str:
        """The text that the policy generated."""
        return self.episode.completion

    @property
    def trajectory(self) -> Trajectory:
        """Its tokens and the weights that sampled them."""
        return self.episode.trajectory


@dataclass(frozen=True)
class Examiner:
    """Generates completions with an engine and scores them with the task."""

    engine: Engine
    task: Task
    encode: Encode
    decode: Decode
    correct_at: float = 1.0
    """Lowest score that counts as correct."""
    codec: Codec | None = None
    """Needed for a task of several turns, in place of `encode` and `decode`."""

    def ask(self, prompts: Sequence[Prompt], num_samples: int, sampling: Sampling) -> list[list[Answer]]:
        """`num_samples` answers to each prompt; prompts and samples in order, whatever order the engine has.

        Raises:
            SteelyardError: the engine left requests unanswered, or a task of several turns has no codec.
        """
        playable = self.codec is not None or not isinstance(self.task, Interactive)
        hint = "give evaluate(codec=Codec.of(policy))"
        require(playable, "a task of several turns needs a codec", where="evaluate", hint=hint)
        requests = [(prompt, sample) for prompt in prompts for sample in range(num_samples)]
        episodes = Episodes(self.engine, self.codec or Codec(self.encode, self.decode), self.task)
        played = episodes.play(requests, sampling) if requests else ()
        drawn = {(e.prompt.id, e.trajectory.sample): e for e in played}
        missing = sum((prompt.id, sample) not in drawn for prompt, sample in requests)
        require(
            missing == 0,
            f"the engine left {missing} of {len(requests)} requests unanswered",
            where="evaluate",
            hint='yield one trajectory for each request, with finish "error" where it failed',
        )
        answers = iter(self._score([drawn[prompt.id, sample] for prompt, sample in requests]))
        return [[next(answers) for _ in range(num_samples)] for _ in prompts]

    def _score(self, episodes: Sequence[Episode]) -> Iterator[Answer]:
        finished = [e for e in episodes if e.trajectory.finish != "error"]
        scores = iter(self.task.score(finished) if finished else [])
        for episode in episodes:
            value = None if episode.trajectory.finish == "error" else next(scores).value
            value = value if value is not None and math.isfinite(value) else None
            yield Answer(episode, value, value is not None and value >= self.correct_at)
