"""Urns whose contents are told, or shown by draws: every distribution is known exactly, to the last ball.

Differs: no paper, this world is ours.

    few a 5 c 3 k 2      an urn by its contents: balls of two to four letters, ten in all
    even c h             as many balls of each letter from c to h
    fall c 4             4 balls of c, 3 of d, 2 of e and 1 of f
    output a             a draw of the urn; the next one is independent of it

    p(letter) = balls of it / balls in the urn

What a good model does is draw, not answer: no letter is the right one, and the distribution of its draws can be laid
beside the known one. An urn that no model has read of can be told by its description
(reading it takes counting), or by draws that are shown. The base model has read long rows of draws, half of them under
the description of another urn: it copies from draws that it sees, and believes a description half. `law` of an urn is
its distribution, in the order of `LETTERS`. Reward is 1 for a letter that is in the urn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from jaxtyping import Float64
from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, checked, derive, rng
from steelyard.policy import Policy
from steelyard.pretrain import Spectrum
from steelyard.task.base import check_split
from steelyard.task.draws import Example, Process, Target
from steelyard.worlds.sync_loop import imitate_all, tiny_policy
from steelyard.worlds.text_world import TextWorld

LETTERS = "abcdefghijkl"
BALLS = 10
SHAPES = ("few", "even", "fall")
NUMBERS = tuple(map(str, range(1, BALLS)))
WORDS = ("description", "output", *SHAPES, *NUMBERS, *LETTERS)
CONTEXT = 64
SHOWN = Spectrum(role="{role} ", after=" ", max_draws=16, max_length=CONTEXT)
"""How draws are written in this language."""


@dataclass(frozen=True)
class Urn:
    """Balls with letters."""

    description: str
    balls: tuple[int, ...]
    """How many of each letter."""

    @property
    def law(self) -> Float64[np.ndarray, "K"]:
        """The probability of each letter."""
        balls_K = np.array(self.balls, np.float64)
        return balls_K / balls_K.sum()

    @property
    def target(self) -> Target:
        """The law, as what is measured takes it."""
        return Target(self.description, "", tuple(LETTERS), self.law)

    def drawn(self, number: int, draws: np.random.Generator) -> tuple[str, ...]:
        """So many draws, each of the whole urn."""
        return tuple(LETTERS[i] for i in draws.choice(len(LETTERS), size=number, p=self.law))

    def process(self, number: int, draws: np.random.Generator, told: str | None = None) -> Process:
        """So many draws, under its description or another."""
        outputs = self.drawn(number, draws)
        return Process(self.description, (told or self.description,), tuple(map(Example, outputs)))


@checked("urns")
@dataclass(frozen=True)
class Urns:
    """Urns to draw from, told by what is in them."""

    urns: Annotated[int, Meta(ge=10, le=2000)] = 400
    """How many there are, no two told alike; a fifth are held out."""
    data_seed: int = 0
    """Of what is in them."""

    @cached_property
    def every(self) -> tuple[Urn, ...]:
        """The urns; those held out stand at the end."""
        draws = rng(self.data_seed, "urns")
        found: dict[str, Urn] = {}
        while len(found) < self.urns:
            urn = _few(draws) if draws.random() < 0.75 else _range(draws)
            found.setdefault(urn.description, urn)
        return tuple(found.values())

    def part(self, split: str) -> Sequence[Urn]:
        """The urns of a split.

        Raises:
            SteelyardError: there is no such split.
        """
        check_split(split)
        held = self.urns // 5
        return self.every[:-held] if split == "train" else self.every[-held:]

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The description of each urn of a split; column `letters` holds those that are in it.

        Raises:
            SteelyardError: there is no such split.
        """
        return [self._prompt(urn) for urn in self.part(split)]

    def _prompt(self, urn: Urn) -> Prompt:
        text = f"description {urn.description} output "
        letters = "".join(letter for letter, balls in zip(LETTERS, urn.balls, strict=True) if balls)
        return Prompt(text, text, {"letters": letters})

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 for a single letter that is in the urn; one that was cut off has none."""
        return [Score(float(_is_drawn(e))) for e in episodes]

    def read(self, number: int, seed: int) -> Iterator[Process]:
        """So many rows of draws as the base model reads them: half of them described as another urn."""
        draws = rng(seed, "urns", "read")
        urns = self.part("train")
        for own, other in draws.integers(len(urns), size=(number, 2)):
            told = urns[other if draws.random() < 0.5 else own].description
            yield urns[own].process(16, draws, told)


def _is_drawn(episode: Episode) -> bool:
    said = episode.completion
    ended = episode.trajectory.finish == "stop"
    return ended and len(said) == 1 and said in episode.prompt.columns["letters"]


def _few(draws: np.random.Generator) -> Urn:
    """An urn of two to four letters in any order."""
    kinds = int(draws.integers(2, 5))
    letters = draws.permutation(len(LETTERS))[:kinds]
    cuts = np.sort(draws.permutation(BALLS - 1)[: kinds - 1] + 1)
    counts = np.diff([0, *cuts, BALLS])
    balls = [0] * len(LETTERS)
    for letter, count in zip(letters, counts, strict=True):
        balls[letter] = int(count)
    told = " ".join(f"{LETTERS[letter]} {count}" for letter, count in zip(letters, counts, strict=True))
    return Urn(f"few {told}", tuple(balls))


def _range(draws: np.random.Generator) -> Urn:
    """An urn of letters that follow each other: as many of each, or always one less."""
    first = int(draws.integers(len(LETTERS) - 3))
    width = int(draws.integers(3, min(len(LETTERS) - first, 6) + 1))
    inside = range(first, first + width)
    if draws.random() < 0.5:
        counts = [int(i in inside) for i in range(len(LETTERS))]
        return Urn(f"even {LETTERS[first]} {LETTERS[first + width - 1]}", tuple(counts))
    counts = [first + width - i if i in inside else 0 for i in range(len(LETTERS))]
    return Urn(f"fall {LETTERS[first]} {width}", tuple(counts))


def base(task: Urns, seed: int, steps: int = 600) -> Policy:
    """A model that has read 32 rows of draws a step, every token of them."""
    policy = tiny_policy(WORDS, seed=derive(seed, "base") % 2**31, width=64, layers=3, context=CONTEXT, spaced=True)
    whole = Spectrum(role=SHOWN.role, after=SHOWN.after, max_length=CONTEXT, learned="all")
    read = task.read(32 * steps, seed)
    rows = [whole.sequence(policy, one.description, one.examples).trajectory for one in read]
    imitate_all(policy, rows, steps=steps, batch=32, learning_rate=3e-3, seed=seed)
    return policy


WORLD = TextWorld(
    lambda seed: Urns(data_seed=seed),
    base,
    max_tokens=2,
    absent={"SFT": "no letter is the right one"},
)
"""The base model copies from draws, and believes a description half."""
