"""Completions with their scores, from which every held-out metric is computed."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from steelyard.core import Engine, Episode, Interactive, Prompt, Reward, Sampling, Score, Task, Trajectory, require
from steelyard.rollout.episodes import Codec, Episodes
from steelyard.searcher.scoring import scores_of

Encode = Callable[[str | list[dict[str, str]]], Sequence[int]]
"""A prompt's text or chat messages to token ids."""
Decode = Callable[[Sequence[int]], str]
"""Token ids to text."""
CHUNK = 64
"""Completions that a reward gets in one call, as from a searcher: its deadline is for so many."""


@dataclass(frozen=True)
class Answer:
    """A finished episode and its score: None where the verifier failed, generation did, or the score is not finite."""

    episode: Episode
    value: float | None
    correct: bool
    score: Score
    """All that was said of it."""
    verified: bool | None = None
    """Whether the task's verifier finds it right, where another reward is measured; None where it did not look."""

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
    """Generates completions with an engine and scores them with the task, or with the reward that trains in its place.

    The task's own verifier then looks at them too, if it has what it needs.
    """

    engine: Engine
    task: Task
    encode: Encode
    decode: Decode
    correct_at: float = 1.0
    """Lowest score that counts as correct."""
    codec: Codec | None = None
    """Needed for a task of several turns, in place of `encode` and `decode`."""
    reward: Reward | None = None
    """What is trained on, where that is not the task's own verifier."""

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
        own = [self._right(score.value) for score in self._verifier(episodes)]
        for episode, score, verified in zip(episodes, self._trained(episodes), own, strict=True):
            value = score.value if episode.trajectory.finish != "error" and score.error is None else None
            value = value if value is not None and math.isfinite(value) else None
            right = self._right(value) if score.right is None or value is None else score.right
            yield Answer(episode, value, bool(right), score, verified)

    def _trained(self, episodes: Sequence[Episode]) -> list[Score]:
        if self.reward is None:
            return scores_of(episodes, self.task.score)
        chunks = (episodes[i : i + CHUNK] for i in range(0, len(episodes), CHUNK))
        return [score for chunk in chunks for score in scores_of(chunk, self.reward)]

    def _verifier(self, episodes: Sequence[Episode]) -> list[Score]:
        """What the task's own verifier says beside another reward; nothing where there is none."""
        able = self.reward is not None and getattr(self.task, "needs_answer", True)
        return scores_of(episodes, self.task.score) if able else [Score(None)] * len(episodes)

    def _right(self, value: float | None) -> bool | None:
        return None if value is None or not math.isfinite(value) else value >= self.correct_at
