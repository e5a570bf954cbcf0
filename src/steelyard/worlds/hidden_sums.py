"""Sums of hidden values: skills that build on each other, as a sum of more signs needs what fewer signs teach.

    ?a=      skill 0: the hidden value of a sign, from 0 to 3; the mark before it means nothing
    .ab=     skill 1: the values of two signs, added modulo 4; the sum alone is written
    !abc=    skill 2: of three signs

    answer = (v(s_0) + ... + v(s_d)) mod m         v a fixed function, drawn with the data; each value is as frequent

Nothing but the sum is shown, so that longer sums hardly teach the values by themselves; who knows these has only a
small table to learn. Of the shortest sums there are fewer problems, so that whoever draws rows as they lie sees skill 0
seldom. The base model knows the form and answers at random.
Known exactly: the answer, and the score of a model that knows nothing, which is 1/m; m is 4.
Source: none, this world is ours; its question is that of LEGO in Skill-it, arXiv:2307.14430.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_letters
from typing import Annotated

from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, checked, derive, hash_share, rng
from steelyard.policy import Policy
from steelyard.task.base import check_split
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

DIGITS = "0123456789"
MARKS = "?!.,;:+-*/"
CHARACTERS = DIGITS + MARKS + "=" + ascii_letters
HELD_OUT_SHARE = 0.2


@checked("hidden-sums")
@dataclass(frozen=True)
class HiddenSums:
    """Sums of the hidden values of one sign or more; reward 1 for the right one."""

    skills: Annotated[int, Meta(ge=1, le=3)] = 3
    """Skills: sums of one sign, of two, and of three."""
    signs: Annotated[int, Meta(ge=2, le=len(ascii_letters))] = 40
    """Signs that have values."""
    modulus: Annotated[int, Meta(ge=2, le=len(DIGITS))] = 4
    """Values that there are."""
    marks: Annotated[int, Meta(ge=2, le=len(MARKS))] = 5
    """Marks that a problem may begin with: so many problems there are of one sign."""
    problems: Annotated[int, Meta(ge=1, le=100_000)] = 4000
    """Training problems of each skill; of one sign there are fewer, as there are no more."""
    held_out: Annotated[int, Meta(ge=1, le=10_000)] = 100
    """Held-out problems of each skill, likewise; a hash of the problem decides which may be trained on."""
    data_seed: int = 0
    """Of the values and of the choice of problems."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Distinct problems, skill after skill; `columns["domain"]` is the skill, `columns["answer"]` the sum.

        Raises:
            SteelyardError: there is no such split.
        """
        check_split(split)
        number = self.problems if split == "train" else self.held_out
        values = self._values()
        return [prompt for skill in range(self.skills) for prompt in self._skill(skill, number, split, values)]

    def _skill(self, skill: int, number: int, split: str, values: Mapping[str, int]) -> list[Prompt]:
        found: list[Prompt] = []
        for code in rng(self.data_seed, "hidden-sums", skill).permutation(self.marks * self.signs ** (skill + 1)):
            rest, mark = divmod(int(code), self.marks)
            signs = [ascii_letters[rest // self.signs**i % self.signs] for i in range(skill + 1)]
            text = f"{MARKS[mark]}{''.join(signs)}="
            if (hash_share(text) < HELD_OUT_SHARE) == (split != "train"):
                answer = sum(values[sign] for sign in signs) % self.modulus
                found.append(Prompt(text, text, {"domain": skill, "answer": answer}))
            if len(found) == number:
                break
        return found

    def _values(self) -> Mapping[str, int]:
        drawn = rng(self.data_seed, "hidden-sums", "values").permutation(self.signs) % self.modulus
        return dict(zip(ascii_letters, drawn.tolist(), strict=False))

    def demonstration(self, prompt: Prompt) -> str:
        """The sum."""
        return str(prompt.columns["answer"])

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 or 0; a completion that was cut off is wrong."""
        return [
            Score(float(e.trajectory.finish == "stop" and e.completion == self.demonstration(e.prompt)))
            for e in episodes
        ]


def base(task: HiddenSums, seed: int, steps: int = 100) -> Policy:
    """A model that has learned to answer every problem by one digit, drawn at random."""
    policy = tiny_policy(CHARACTERS, seed=derive(seed, "base") % 2**31, width=48, context=12)
    draws = rng(seed, "hidden-sums", "base")
    prompts = task.prompts("train")
    asked = [prompts[i] for i in draws.integers(len(prompts), size=64 * steps)]
    digits = draws.integers(task.modulus, size=len(asked))
    pairs = [(str(p.text), str(digit)) for p, digit in zip(asked, digits, strict=True)]
    imitate(policy, pairs, steps=steps, batch=64, learning_rate=6e-3, seed=seed)
    return policy


WORLD = TextWorld(lambda seed: HiddenSums(data_seed=seed), base, max_tokens=2, learning_rate=1e-3)
