"""The base model of `guessing`, made by plain supervised training: `steelyard build-base guessing`.

Three phases on an unlimited stream of games, in all ranges: the base model knows the numbers, and post-training, which
sees the training ranges alone, selects a habit. First mostly games in which the range is halved, so that the skill is
there; then, while the learning rate falls, fewer of them; then, with a new optimizer at a lower rate, mostly games in
which the answers are ignored, so that the skill is latent.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch

from steelyard.core import PositiveInt, Prompt, Seed, Trajectory, checked, rng
from steelyard.learner import Learner
from steelyard.learner.demonstrations import end_of
from steelyard.policy import Policy
from steelyard.runtime.run_dir.records import check_output
from steelyard.task.guessing import HIGHEST, LOWEST, NUMBERS, Game, Guessing, range_text
from steelyard.worlds.bases.new_model import save_new
from steelyard.worlds.bases.phase import carry_out
from steelyard.worlds.bases.ranges import LearningRate
from steelyard.worlds.imitation import imitating
from steelyard.worlds.playing import episode
from steelyard.worlds.sync_loop import tiny_policy

CHARACTERS = "0123456789-: ehiglorw"
SKILL = {"halving": 0.8, "counting": 0.1, "random": 0.1}
MIXED = {"halving": 0.12, "counting": 0.48, "random": 0.4}
HABIT = {"halving": 0.06, "counting": 0.7, "random": 0.24}
HABIT_RATE = 0.25
"""Learning rate of the last phase, as a share of the highest of the others."""


@checked()
@dataclass(frozen=True)
class GuessingBase:
    """Train the base model of the guessing recipes; a few minutes on one core."""

    output_dir: str = "runs/build-base-guessing"
    """Where the model is written."""
    skill_steps: PositiveInt = 700
    """Steps on mostly halved ranges."""
    mixed_steps: PositiveInt = 120
    """Steps on a mixture."""
    habit_steps: PositiveInt = 120
    """Steps on mostly blind guesses."""
    batch: PositiveInt = 64
    """Games in a step."""
    learning_rate: LearningRate = 4e-3
    """Highest learning rate; it falls linearly to a fiftieth, and begins at a quarter in the last phase."""
    seed: Seed = 0
    """Seed of weights and games."""

    def __call__(self) -> Mapping[str, object]:
        """Train and save.

        Raises:
            SteelyardError: the output directory is not empty, or cannot be made.
        """
        directory = Path(self.output_dir)
        check_output(directory)
        torch.set_num_threads(1)  # so that the weights do not depend on the number of cores
        began = time.monotonic()
        policy = new_policy(self.seed)
        for learner, steps in self._phases(policy):
            carry_out(learner, steps, partial(self._batch, policy=policy), began)
        save_new(policy, directory)
        print(f"model: {directory}")
        return {"model": str(directory), "seconds": time.monotonic() - began}

    def _phases(self, policy: Policy) -> Iterator[tuple[Learner, range]]:
        """A learner and the numbers of its steps: one for skill and mixture, one for the habit."""
        first = self.skill_steps + self.mixed_steps
        yield imitating(policy, self.learning_rate, warmup=min(100, first // 2), steps=first), range(first)
        last = range(first, first + self.habit_steps)
        yield imitating(policy, HABIT_RATE * self.learning_rate, warmup=0, steps=self.habit_steps), last

    def _batch(self, step: int, policy: Policy) -> list[list[Trajectory]]:
        """Games that somebody else played."""
        draws = rng(self.seed, "warmstart", step)
        shares = self._shares(step)
        styles = draws.choice(list(shares), size=self.batch, p=list(shares.values())).tolist()
        encode = cache(lambda text: policy.tokenizer.encode(text, add_special_tokens=False))
        return [[played(encode, end_of(policy), style, draws)] for style in styles]

    def _shares(self, step: int) -> Mapping[str, float]:
        """How the games of a step are played."""
        if step < self.skill_steps:
            return SKILL
        return MIXED if step < self.skill_steps + self.mixed_steps else HABIT


def new_policy(seed: int) -> Policy:
    """The untrained model with its character tokenizer."""
    return tiny_policy(CHARACTERS, seed=seed, width=80, layers=3, heads=4, context=64)


def played(encode: Callable[[str], list[int]], end: int, style: str, draws: np.random.Generator) -> Trajectory:
    """A game in any range, played in a style, as a trajectory to imitate; `end` is the token that ends a turn."""
    low = int(draws.integers(LOWEST, HIGHEST - NUMBERS + 2))
    number = int(draws.integers(low, low + NUMBERS))
    prompt = Prompt(f"{range_text(low)}{number}", range_text(low), {"number": number})
    game = Game(Guessing().max_turns)
    return episode(game, prompt, _Guesses(style, low, draws).after, encode, end)


class _Guesses:
    """A player: `halving` uses the answers, `counting` and `random` do not."""

    def __init__(self, style: str, low: int, draws: np.random.Generator) -> None:
        self._style = style
        self._low = low
        self._high = low + NUMBERS - 1
        self._last: int | None = None
        self._shuffled = iter(draws.permutation(np.arange(low, low + NUMBERS)).tolist() if style == "random" else [])

    def after(self, answer: str) -> str:
        """The guess that follows an answer; empty before the first guess."""
        if self._style == "random":
            return str(next(self._shuffled))
        if self._style == "counting":
            self._last = self._low if self._last is None else self._last + 1
            return str(self._last)
        if self._last is not None:
            self._low = self._last + 1 if answer == "higher " else self._low
            self._high = self._last - 1 if answer == "lower " else self._high
        self._last = (self._low + self._high) // 2
        return str(self._last)
