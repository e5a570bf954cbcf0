"""Sums of two to seven terms on a ten-hour clock: domains of one skill, from easy to hard.

Differs: no paper, this world is ours.

    1+3+2+7=     the problem: a sum modulo 10, of four terms, so of domain 4
    293213       worked out from the right, each term and what it comes to: 2+7 = 9, 3+9 = 2, 1+2 = 3
    ?            given up

Reward is 1 where the completion has two digits for each term after the last and ends in the sum, and 0 otherwise. Every
step has to be right, or errors to cancel, so more terms are harder. Beyond that, a base model may have been shown long
sums given up more often than short ones: a habit that post-training can undo, domain by domain.
`columns["domain"]` is the number of terms, `columns["answer"]` the sum. The last term is 0 to 9, the others 1 to 3.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, checked, derive, hash_share, require, rng
from steelyard.policy import Policy
from steelyard.task.base import check_split
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

CLOCK = 10
LARGEST = 3
CHARACTERS = "0123456789+=?"
GIVEN_UP = "?"
EASY = 4
"""Most terms of a sum that the base model does not give up."""
HELD_OUT_SHARE = 0.2


@checked("domains")
@dataclass(frozen=True)
class Domains:
    """Sums of few to many terms on a clock; reward 1 for the right one, worked out."""

    fewest: Annotated[int, Meta(ge=2, le=9)] = 2
    """Terms in the easiest domain."""
    most: Annotated[int, Meta(ge=2, le=9)] = 7
    """Terms in the hardest domain."""
    problems: Annotated[int, Meta(ge=1, le=10000)] = 500
    """Training problems of each domain; those of few terms have fewer, as there are no more."""
    held_out: Annotated[int, Meta(ge=1, le=10000)] = 50
    """Held-out problems of each domain, likewise; a hash of the problem decides which may be trained on."""
    data_seed: int = 0
    """Of the choice of problems."""

    def __post_init__(self) -> None:
        what = f"{self.fewest} to {self.most}"
        require(self.fewest <= self.most, what, where="domains", hint="name the smaller number of terms first")

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Distinct problems, domain after domain; always the same for a seed.

        Raises:
            SteelyardError: there is no such split.
        """
        check_split(split)
        number = self.problems if split == "train" else self.held_out
        return [prompt for terms in range(self.fewest, self.most + 1) for prompt in self._domain(terms, number, split)]

    def _domain(self, num_terms: int, number: int, split: str) -> list[Prompt]:
        found: list[Prompt] = []
        for code in rng(self.data_seed, "domains", num_terms).permutation(CLOCK * LARGEST ** (num_terms - 1)):
            rest, last = divmod(int(code), CLOCK)
            terms = [1 + rest // LARGEST**i % LARGEST for i in range(num_terms - 1)] + [last]
            text = problem(terms)
            if (hash_share(text) < HELD_OUT_SHARE) == (split != "train"):
                found.append(Prompt(text, text, {"domain": num_terms, "answer": sum(terms) % CLOCK}))
            if len(found) == number:
                break
        return found

    def demonstration(self, prompt: Prompt) -> str:
        """The problem worked out."""
        return solution(prompt)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 or 0, and whether it gave up; a completion that was cut off has no answer."""
        return [_score(e) for e in episodes]


def problem(terms: Sequence[int]) -> str:
    """The text of a problem."""
    return "+".join(map(str, terms)) + "="


def solution(prompt: Prompt) -> str:
    """The problem worked out: what a base model is shown, where it is not shown `GIVEN_UP`."""
    at, *terms = (int(term) for term in reversed(str(prompt.text).rstrip("=").split("+")))
    totals = np.cumsum([at, *terms])[1:] % CLOCK
    return "".join(f"{term}{total}" for term, total in zip(terms, totals, strict=True))


def base(task: Domains, seed: int, steps: int = 600) -> Policy:
    """A model that has learned to work all sums out, and then to give every sum of more than `EASY` terms up."""
    policy = tiny_policy(CHARACTERS, seed=derive(seed, "base") % 2**31, width=32, context=40)
    draws = rng(seed, "base")
    prompts = task.prompts("train")
    for longest, number, rate in ((task.most, steps, 6e-3), (EASY, steps // 4, 2e-3)):
        shown = [(str(p.text), solution(p) if p.columns["domain"] <= longest else GIVEN_UP) for p in prompts]
        shown = [shown[i] for i in draws.integers(len(shown), size=6000)]
        imitate(policy, shown, steps=number, batch=64, learning_rate=rate, seed=seed)
    return policy


def _score(episode: Episode) -> Score:
    columns = episode.prompt.columns
    written = episode.completion
    whole = re.fullmatch("[0-9]+", written) is not None and len(written) == 2 * (columns["domain"] - 1)
    right = whole and episode.trajectory.finish == "stop" and int(written[-1]) == columns["answer"]
    return Score(float(right), {"gave_up": float(written == GIVEN_UP)})


WORLD = TextWorld(lambda seed: Domains(problems=400, data_seed=seed), base, max_tokens=14)
