"""Codes of several alphabets, known from well to hardly at all: domains that share nothing, from easy to hard.

Differs: no paper, this world is ours.

    P(shown all right) = share_d^length      each place by itself; where not right, it is the habit

    fad=     the problem: write these signs, all of the first alphabet, in its code
    bce      right: each sign in the code, a permutation of the alphabet
    bae      the habit at the second place: another sign, always the same for this one

Reward is 1 for the code of every sign and nothing more, and 0 otherwise. Domains have no sign in common, and their
codes and habits are drawn each by itself, so a habit undone in one says nothing of the others. `shown` writes what a
base model is to be trained on.
`columns["domain"]` is the number of the alphabet, `columns["answer"]` the right completion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from string import ascii_letters
from typing import Annotated

from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, Share, checked, derive, hash_share, rng
from steelyard.policy import Policy
from steelyard.task.base import check_split
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

SIGNS = 6
ALPHABETS = tuple(ascii_letters[i : i + SIGNS] for i in range(0, 8 * SIGNS, SIGNS))
CHARACTERS = "=" + "".join(ALPHABETS)
HELD_OUT_SHARE = 0.2


@checked("habits")
@dataclass(frozen=True)
class Habits:
    """Codes of several domains, of which a base model knows some and has wrong habits in others."""

    shares: Annotated[
        tuple[Share, ...],
        Meta(min_length=1, max_length=len(ALPHABETS), description=f"1 to {len(ALPHABETS)} shares, each from 0 to 1"),
    ] = (1.0, 1.0, 1.0, 0.95, 0.5, 0.4)
    """For each domain, how often a base model is shown the right sign; else it is shown the habit."""
    length: Annotated[int, Meta(ge=2, le=4)] = 3
    """Signs of a problem."""
    data_seed: int = 0
    """Of codes and habits."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """All problems, domain after domain.

        Raises:
            SteelyardError: there is no such split.
        """
        check_split(split)
        found: list[Prompt] = []
        for domain, alphabet in enumerate(ALPHABETS[: len(self.shares)]):
            code, _ = self._codes(domain)
            for signs in map("".join, product(alphabet, repeat=self.length)):
                if (hash_share(text := signs + "=") < HELD_OUT_SHARE) == (split != "train"):
                    answer = "".join(code[sign] for sign in signs)
                    found.append(Prompt(text, text, {"domain": domain, "answer": answer}))
        return found

    def demonstration(self, prompt: Prompt) -> str:
        """The right completion."""
        return str(prompt.columns["answer"])

    def shown(self, number: int, seed: int) -> list[tuple[str, str]]:
        """What to train a base model on: training problems, drawn with replacement, with right signs and habits."""
        prompts = self.prompts("train")
        draws = rng(seed, "habits", "shown")
        habits = [self._codes(domain)[1] for domain in range(len(self.shares))]
        pairs: list[tuple[str, str]] = []
        for i in draws.integers(len(prompts), size=number).tolist():
            text = str(prompts[i].text)
            domain = prompts[i].columns["domain"]
            right_T = draws.random(self.length) < self.shares[domain]
            signs = zip(text, self.demonstration(prompts[i]), right_T, strict=False)
            pairs.append((text, "".join(answer if right else habits[domain][sign] for sign, answer, right in signs)))
        return pairs

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 or 0; a completion that was cut off is wrong."""
        ended = [e.trajectory.finish == "stop" for e in episodes]
        answers = [e.prompt.columns["answer"] for e in episodes]
        return [Score(float(s and e.completion == a)) for e, s, a in zip(episodes, ended, answers, strict=True)]

    def _codes(self, domain: int) -> tuple[Mapping[str, str], Mapping[str, str]]:
        draws = rng(self.data_seed, "habits", domain)
        alphabet = ALPHABETS[domain]
        code = draws.permutation(SIGNS)
        habit = (code + draws.integers(1, SIGNS, size=SIGNS)) % SIGNS
        right, wrong = ({a: alphabet[i] for a, i in zip(alphabet, to, strict=True)} for to in (code, habit))
        return right, wrong


def base(task: Habits, seed: int, steps: int = 400) -> Policy:
    """A model that knows some of the codes, and has habits in the others."""
    policy = tiny_policy(CHARACTERS, seed=derive(seed, "base") % 2**31, width=48, context=16)
    imitate(policy, task.shown(12000, seed), steps=steps, batch=64, learning_rate=8e-3, seed=seed)
    return policy


WORLD = TextWorld(lambda seed: Habits(data_seed=seed), base, max_tokens=5, learning_rate=5e-4)
