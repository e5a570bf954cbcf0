"""Whether a sum is odd: guessed, and then verified in the same generation, by working out or carelessly.

    a2b7c4s1:                        the problem: 1 + 2 + 7 + 4, modulo 2; it is 0
    1vs1a21b70c40n0vs1a21b70c40y     1 is proposed; v: worked out; n: refused; 0 is proposed, and y: accepted
    1vy                              carelessly: nothing is worked out, and the verdict is a guess, too

`s1a21b70c40` is 1, with 2 it is 1, with 7 it is 0, with 4 it is 0.

A proposal is a single digit, so nobody works out a first one: it is guessed.

    answer = (s + a + b + c) mod 2        a blind guess, and a careless verdict: right in 50 %

The base model imitates players who work out three verifications in ten, say y in seven of ten others, and propose what
they worked out after a refusal: it stands for a model after supervised tuning on such sequences. A rise of the answers'
accuracy far above 50 % can only come from verifying. Half of the guesses are right, so that no verdict pays by itself:
where most are wrong, to refuse everything carelessly is a good verifier, and no answer comes of it.
Source: none, this world is ours; its question is that of SPOC, arXiv:2506.06923.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Annotated

import numpy as np
from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, checked, rng
from steelyard.policy import Policy
from steelyard.task import SPOC
from steelyard.task.base import check_split
from steelyard.task.drawn import distinct
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

MODULUS = 2
LARGEST = 9
TERMS = "abc"
"""A letter for each term, by which it is found."""
START = "s"
VERIFY = "v"
ACCEPT = "y"
REJECT = "n"
CHARACTERS = f"0123456789{TERMS}{START}:{VERIFY}{ACCEPT}{REJECT}"
WORKED_OUT = 0.3
"""Share of the verifications that the base model is shown worked out."""
TRUSTING = 0.7
"""Share of the careless verdicts that accept."""
PROPOSALS = 2
PROMPT_TOKENS = 2 * len(TERMS) + 3
MAX_TOKENS = PROPOSALS * (3 * len(TERMS) + 5) + 1
"""Of a generation: each round a digit, two marks and what is worked out, and at the end the end token."""
HELD_OUT_SHARE = 0.2


@checked("guessed-sums")
@dataclass(frozen=True)
class GuessedSums:
    """Sums of three terms and a bit, modulo 2; reward 1 for the right digit."""

    problems: Annotated[int, Meta(ge=1, le=1000)] = 1000
    """Training problems; there are 1458 problems in all."""
    held_out: Annotated[int, Meta(ge=1, le=200)] = 120
    """Held-out problems; which problems may be trained on is decided by a hash of the problem."""
    data_seed: int = 0
    """Of the choice of problems."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Distinct problems, each with its numbers and its answer as columns; always the same for a seed.

        Raises:
            SteelyardError: there is no such split.
        """
        check_split(split)
        number = self.problems if split == "train" else self.held_out
        draws = rng(self.data_seed, "guessed-sums", split)
        drawn = (numbers for _ in count() for numbers in draw_numbers(draws, 2 * number))
        asked = ((problem(n), {"numbers": n, "answer": sum(n) % MODULUS}) for n in drawn)
        return distinct(asked, number, split, HELD_OUT_SHARE)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 for the right digit and nothing else."""
        return [Score(float(e.completion == str(e.prompt.columns["answer"])), read=e.completion) for e in episodes]


def self_checked(world: GuessedSums) -> SPOC:
    """The world's problems, with proposals and verifications in one generation."""
    return SPOC(verify=VERIFY, accept=ACCEPT, reject=REJECT, max_proposals=PROPOSALS, task=world)


def draw_numbers(draws: np.random.Generator, number: int) -> list[list[int]]:
    """The numbers of so many problems, which may repeat: those to add, then the one to begin with."""
    terms = draws.integers(1, LARGEST + 1, size=(number, len(TERMS)))
    start = draws.integers(0, MODULUS, size=(number, 1))
    return np.concatenate([terms, start], axis=1).tolist()


def problem(numbers: Sequence[int]) -> str:
    """The text of a problem."""
    return _pairs(f"{TERMS}{START}", numbers) + ":"


def worked_out(numbers: Sequence[int]) -> str:
    """A problem worked out: where it begins, then each term and the sum with it, modulo 2."""
    *terms, start = numbers
    sums = np.cumsum([start, *terms]) % MODULUS
    steps = zip(TERMS, terms, sums[1:].tolist(), strict=True)
    return f"{START}{start}" + "".join(f"{letter}{term}{after}" for letter, term, after in steps)


def _pairs(letters: str, numbers: Sequence[int]) -> str:
    return "".join(f"{letter}{number}" for letter, number in zip(letters, numbers, strict=True))


def played(numbers: Sequence[int], draws: np.random.Generator) -> str:
    """A generation of a player: guesses blindly, and works out some verifications."""
    answer = sum(numbers) % MODULUS
    said = ""
    works = accepts = False
    while not accepts and said.count(VERIFY) < PROPOSALS:
        proposal = answer if works else int(draws.integers(MODULUS))
        works = draws.random() < WORKED_OUT
        accepts = proposal == answer if works else draws.random() < TRUSTING
        why = worked_out(numbers) if works else ""
        said += f"{proposal}{VERIFY}{why}{ACCEPT if accepts else REJECT}"
    return said


def base(task: SPOC, seed: int, steps: int = 1600) -> Policy:
    """A model that guesses, and verifies as it saw it done."""
    policy = tiny_policy(CHARACTERS, seed=seed, width=48, context=PROMPT_TOKENS + MAX_TOKENS)
    draws = rng(seed, "guessed-sums", "base")
    held_out = {str(prompt.text) for prompt in task.prompts("held-out")}
    seen = [numbers for numbers in draw_numbers(draws, 16_000) if problem(numbers) not in held_out]
    given = [(problem(numbers), played(numbers, draws)) for numbers in seen]
    imitate(policy, given, steps=steps, batch=64, learning_rate=5e-3, seed=seed)
    return policy


WORLD = TextWorld(
    lambda seed: self_checked(GuessedSums(data_seed=seed)), base, max_tokens=MAX_TOKENS, learning_rate=1e-3
)
