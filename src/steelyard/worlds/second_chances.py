"""Questions with several plausible answers and further chances: who is told "no" should try another.

    bkx:     the question; its first letter says which four digits are plausible
    3        a turn of the policy
    no       the answer of the environment, where the digit is wrong and a turn is left
    7        right: the episode ends with reward 1; after four wrong turns it ends with reward 0

Which of the four is right is not in the text: it is drawn with the question, with chances p of 40, 30, 20 and 10 %.

    best first answer: 40 %         four turns without a repetition: 100 %
    four draws by p, whatever was said before: sum_c p_c (1 - (1 - p_c)^4) = 72.9 %

The base model imitates players of whom 30 % heed what they said, and draw by p among the rest; the others draw by p
again and again. A policy that is trained on first turns alone learns the likeliest digit and repeats it, and finds 40 %
in four turns as in one. The part `first` is 1 where the first turn was
right, `repeats` counts the turns that repeat an earlier one.
Source: none, this world is ours; its question is that of UFO, arXiv:2507.14295.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated

import numpy as np
from msgspec import Meta

from steelyard.core import Environment, Episode, Positive, Prompt, Score, Trajectory, checked, hash_share, outcomes, rng
from steelyard.learner.demonstrations import end_of
from steelyard.policy import Policy
from steelyard.task.base import SPLITS, take_split
from steelyard.worlds.playing import episode
from steelyard.worlds.sync_loop import imitate_all, tiny_policy
from steelyard.worlds.text_world import TextWorld

CHANCES = (0.4, 0.3, 0.2, 0.1)
KINDS = "abcdefgh"
FILLERS = "klmpqrstuvwxyz"
DIGITS = "0123456789"
AGAIN = "no"
CHARACTERS = f"{KINDS}{FILLERS}{DIGITS}{AGAIN}:"
HEEDING = 0.3
"""Share of the players that the base model is shown who heed what they said."""
HELD_OUT_SHARE = 0.25


@checked("second-chances")
@dataclass(frozen=True)
class SecondChances:
    """Questions with four plausible digits, of which one is right; several turns."""

    max_turns: Annotated[int, Meta(ge=1, le=8)] = 4
    """Answers in an episode."""
    deadline_s: Positive = 30.0
    """Seconds that the environment may take for an answer."""
    data_seed: int = 0
    """Of the candidates and of which is right."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Every question, with the column `answer`; a hash of the text decides the split.

        Raises:
            SteelyardError: there is no such split.
        """
        held: dict[str, list[Prompt]] = {name: [] for name in SPLITS}
        for number, kind in enumerate(KINDS):
            draws = rng(self.data_seed, "second-chances", "right", number)
            for text in (f"{kind}{a}{b}:" for a in FILLERS for b in FILLERS):
                right = str(draws.choice(list(self.candidates(kind)), p=CHANCES))
                side = "held-out" if hash_share(text) < HELD_OUT_SHARE else "train"
                held[side].append(Prompt(text, text, {"answer": right}))
        return take_split(held, split)

    def candidates(self, kind: str) -> str:
        """The four plausible digits of a first letter, the likeliest first."""
        order = rng(self.data_seed, "second-chances", KINDS.index(kind)).permutation(len(DIGITS))
        return "".join(DIGITS[i] for i in order[: len(CHANCES)])

    def environment(self, prompt: Prompt, sample: int) -> Environment:
        """An episode about the prompt."""
        return Chances(self.max_turns)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """What the episodes ended with."""
        return outcomes(episodes)


class Chances:
    """One episode: says `no` until the answer is right or the turns are used up."""

    def __init__(self, max_turns: int) -> None:
        self._max_turns = max_turns
        self._answer = ""
        self._said: list[str] = []

    def reset(self, prompt: Prompt) -> str:
        """The question."""
        self._answer = prompt.columns["answer"]
        return str(prompt.text)

    def step(self, completion: str) -> str | Score:
        """`no`, or the end."""
        self._said.append(completion)
        right = completion == self._answer
        return self._end(right) if right or len(self._said) == self._max_turns else AGAIN

    def truncate(self, completion: str) -> Score:
        """0: a turn that does not end answers nothing."""
        self._said.append(completion)
        return self._end(False)

    def _end(self, right: bool) -> Score:
        repeats = len(self._said) - len(set(self._said))
        first = float(right and len(self._said) == 1)
        return Score(float(right), {"first": first, "repeats": float(repeats)})


class Player:
    """Draws candidates by their chances; one that heeds what it said leaves those out."""

    def __init__(self, candidates: str, draws: np.random.Generator, *, heeds: bool) -> None:
        self._left = dict(zip(candidates, CHANCES, strict=True))
        self._draws = draws
        self._heeds = heeds

    def turn(self, answer: str) -> str:
        """The next digit."""
        p = np.array(list(self._left.values()))
        said = str(self._draws.choice(list(self._left), p=p / p.sum()))
        if self._heeds:
            del self._left[said]
        return said


def base(task: SecondChances, seed: int, steps: int = 500) -> Policy:
    """A model of players that draw candidates by their chances; some of them heed what was said before."""
    policy = tiny_policy(CHARACTERS, seed=seed, width=48, context=32)
    draws = rng(seed, "second-chances", "base")
    prompts = task.prompts("train")
    encode = cache(lambda text: policy.tokenizer.encode(text, add_special_tokens=False))

    def played(prompt: Prompt) -> Trajectory:
        player = Player(task.candidates(str(prompt.text)[0]), draws, heeds=draws.random() < HEEDING)
        return episode(Chances(task.max_turns), prompt, player.turn, encode, end_of(policy))

    given = [played(prompts[i]) for i in draws.integers(len(prompts), size=4000)]
    imitate_all(policy, given, steps=steps, batch=64, learning_rate=5e-3, seed=seed)
    return policy


def expected_score(turns: int) -> float:
    """What the base model's habit scores in so many turns: sum_c p_c (1 - (1 - p_c)^turns)."""
    p = np.array(CHANCES)
    return float((p * (1 - (1 - p) ** turns)).sum())


WORLD = TextWorld(lambda seed: SecondChances(data_seed=seed), base, max_tokens=3, learning_rate=1e-3)
