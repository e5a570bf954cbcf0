"""Codes from easy to hard whose answers may be marked: what is right does not depend on the mark, what is formed does.

Differs: no paper, this world is ours.

    fad=     the problem: write these signs in the code of their alphabet, as in `habits`
    #bce     right, and marked
    bce      right
    #bae     marked, with a habit at the second place

Reward is 1 for the right code, with or without a mark in front of it. A base model is shown marks with the probability
`marked`: nearly always, as a model that follows instructions, or hardly ever, as one that does not. Problems, codes and
habits are those of `habits` with three domains: 0 is known, 1 half known, 2 hardly at all. The part `formed` is 1 where
there is a mark.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.core import Episode, Prompt, Score, Share, checked, derive, rng
from steelyard.policy import Policy
from steelyard.worlds.habits import CHARACTERS, Habits
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

MARK = "#"
EASY = 0
MATCHED = 1
HARD = 2


@checked("marked-codes")
@dataclass(frozen=True)
class MarkedCodes:
    """Codes of three domains, which may be marked."""

    marked: Share = 0.95
    """How often a base model is shown the mark."""
    shares: tuple[Share, ...] = (0.99, 0.6, 0.05)
    """For each domain, how often a base model is shown the right sign."""
    data_seed: int = 0
    """Of codes and habits."""

    @property
    def codes(self) -> Habits:
        """The problems without marks."""
        return Habits(shares=self.shares, data_seed=self.data_seed)

    def prompts(self, split: str) -> Sequence[Prompt]:
        """All problems, domain after domain.

        Raises:
            SteelyardError: there is no such split.
        """
        return self.codes.prompts(split)

    def demonstration(self, prompt: Prompt) -> str:
        """The right completion, marked."""
        return MARK + self.codes.demonstration(prompt)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 or 0; a completion that was cut off is wrong."""
        return [_score(e) for e in episodes]


def _score(episode: Episode) -> Score:
    code = episode.completion.removeprefix(MARK)
    right = episode.trajectory.finish == "stop" and code == episode.prompt.columns["answer"]
    return Score(float(right), {"formed": float(episode.completion.startswith(MARK))})


def base(task: MarkedCodes, seed: int, steps: int = 400) -> Policy:
    """A model of the codes as it was shown them, which marks as many answers."""
    policy = tiny_policy(CHARACTERS + MARK, seed=derive(seed, "base") % 2**31, width=48, context=16)
    shown = task.codes.shown(12000, seed)
    marks = rng(seed, "marked-codes").random(len(shown)) < task.marked
    pairs = [(text, MARK + code if mark else code) for (text, code), mark in zip(shown, marks, strict=True)]
    imitate(policy, pairs, steps=steps, batch=64, learning_rate=8e-3, seed=seed)
    return policy


WORLD = TextWorld(lambda seed: MarkedCodes(data_seed=seed), base, max_tokens=6, learning_rate=5e-4)
