"""Completions with their scores, from which every held-out metric is computed."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from steelyard.core import Engine, Episode, Prompt, Request, Sampling, Task, Trajectory, require

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

    def ask(self, prompts: Sequence[Prompt], num_samples: int, sampling: Sampling) -> list[list[Answer]]:
        """`num_samples` answers to each prompt; prompts and samples in order, whatever order the engine has.

        Raises:
            SteelyardError: the engine left requests unanswered.
        """
        requests = [Request(p.id, tuple(self.encode(p.text)), g) for p in prompts for g in range(num_samples)]
        drawn = {(t.prompt_id, t.sample): t for t in self.engine.generate(requests, sampling)} if requests else {}
        missing = sum((r.prompt_id, r.sample) not in drawn for r in requests)
        require(
            missing == 0,
            f"the engine left {missing} of {len(requests)} requests unanswered",
            where="evaluate",
            hint='yield one trajectory for each request, with finish "error" where it failed',
        )
        answers = iter(self._score([self._episode(p, drawn[p.id, g]) for p in prompts for g in range(num_samples)]))
        return [[next(answers) for _ in range(num_samples)] for _ in prompts]

    def _episode(self, prompt: Prompt, trajectory: Trajectory) -> Episode:
        return Episode(prompt, self.decode(trajectory.completion_T.tolist()), trajectory)

    def _score(self, episodes: Sequence[Episode]) -> Iterator[Answer]:
        finished = [e for e in episodes if e.trajectory.finish != "error"]
        scores = iter(self.task.score(finished) if finished else [])
        for episode in episodes:
            value = None if episode.trajectory.finish == "error" else next(scores).value
            value = value if value is not None and math.isfinite(value) else None
            yield Answer(episode, value, value is not None and value >= self.correct_at)
