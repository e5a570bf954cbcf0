"""Letters that stand for codes, known from well to hardly at all: domains that share nothing, from easy to hard.

Differs: no paper, this world is ours.

    P(base writes the right digit) = share_d, at each place by itself, so P(all right) = share_d^length

    c407=     the problem: write 407 in the code of domain c
    192       right: each digit in that code
    152       the habit at the second place: another digit, always the same for this digit in this domain

Reward is 1 for the code of every digit and nothing more, and 0 otherwise. Codes and habits are drawn for each domain by
itself, so a habit undone in one domain says nothing of the others. A base model is to be shown what `shown` writes.
`columns["domain"]` is the number of the letter, `columns["answer"]` the right completion.
Source: none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from steelyard.core import Episode, Prompt, Score, hash_share, method, require, stream, suggest
from steelyard.task.base import SPLITS

DIGITS, LETTERS = 10, "abcdefghijkl"
CHARACTERS = "0123456789=" + LETTERS
HELD_OUT_SHARE = 0.2


@method("habits")
@dataclass(frozen=True)
class Habits:
    """Codes of several domains, of which a base model knows some and has wrong habits in others."""

    shares: tuple[float, ...] = (0.98, 0.95, 0.9, 0.8, 0.6, 0.4)
    """For each domain, how often a base model is shown the right digit; else it is shown the habit."""
    length: int = 3
    """Digits of a problem."""
    data_seed: int = 0
    """Of codes and habits."""

    def __post_init__(self) -> None:
        fits = 1 <= len(self.shares) <= len(LETTERS) and all(0 <= share <= 1 for share in self.shares)
        mend = f"give 1 to {len(LETTERS)} shares, each from 0 to 1"
        require(fits, f"shares are {self.shares}", where="habits.shares", mend=mend)
        require(2 <= self.length <= 4, f"length is {self.length}", where="habits.length", mend="use 2 to 4")

    def prompts(self, split: str) -> Sequence[Prompt]:
        """All problems, domain after domain.

        Raises:
            SteelyardError: there is no such split.
        """
        require(split in SPLITS, f"unknown split {split!r}", where="prompts", mend=suggest(split, SPLITS))
        found: list[Prompt] = []
        for domain, letter in enumerate(LETTERS[: len(self.shares)]):
            code, _ = self._codes(domain)
            for number in range(DIGITS**self.length):
                digits = f"{number:0{self.length}d}"
                text = f"{letter}{digits}="
                if (hash_share(text) < HELD_OUT_SHARE) == (split != "train"):
                    answer = "".join(str(code[int(digit)]) for digit in digits)
                    found.append(Prompt(text, text, {"domain": domain, "answer": answer}))
        return found

    def demonstration(self, prompt: Prompt) -> str:
        """The right completion."""
        return str(prompt.columns["answer"])

    def shown(self, number: int, seed: int) -> list[tuple[str, str]]:
        """What to train a base model on: training problems, drawn with replacement, with right digits and habits."""
        prompts, draws = self.prompts("train"), stream(seed, "habits", "shown")
        habits = [self._codes(domain)[1] for domain in range(len(self.shares))]
        pairs: list[tuple[str, str]] = []
        for i in draws.integers(len(prompts), size=number).tolist():
            text, domain = str(prompts[i].text), prompts[i].columns["domain"]
            right_T = draws.random(self.length) < self.shares[domain]
            digits = zip(text[1:-1], self.demonstration(prompts[i]), right_T, strict=True)
            written = (answer if right else str(habits[domain][int(digit)]) for digit, answer, right in digits)
            pairs.append((text, "".join(written)))
        return pairs

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 or 0; a completion that was cut off is wrong."""
        ended = [e.trajectory.finish == "stop" for e in episodes]
        answers = [e.prompt.columns["answer"] for e in episodes]
        return [Score(float(s and e.completion == a)) for e, s, a in zip(episodes, ended, answers, strict=True)]

    def _codes(self, domain: int) -> tuple[Int[np.ndarray, "D"], Int[np.ndarray, "D"]]:
        draws = stream(self.data_seed, "habits", domain)
        code = draws.permutation(DIGITS)
        return code, (code + draws.integers(1, DIGITS, size=DIGITS)) % DIGITS
