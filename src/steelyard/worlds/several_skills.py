"""Four skills of one small model: two on letters, one on digits, one on brackets.

    3154+=     4205      addition of one to each digit, on a six-hour clock
    [(({[=     ]}))]      matching: each bracket closed, the last one first
    gbca<=     acbg      reversal
    gbca^=     abcg      sorting: of the same letters, with another sign

Every prompt ends with `=`. Reversal and sorting are near to each other, all others are far. `columns["skill"]` names
the skill, `columns["answer"]` is the right answer. Reward is 1 for that and nothing else. Held-out prompts are none
that a model was taught. For methods that take one skill from a model and leave it the others.
Source: none, this world is ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, checked, derive, hash_share, rng
from steelyard.policy import Policy
from steelyard.task.base import check_split
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

Skill = Literal["addition", "matching", "reversal", "sorting"]
SKILLS: tuple[Skill, ...] = get_args(Skill)
NEAR: Mapping[Skill, Skill] = {"reversal": "sorting", "sorting": "reversal"}
"""Skills on the same letters."""
CLOSES = {"(": ")", "[": "]", "{": "}"}
DIGITS = "012345"
LETTERS = "abcdefgh"
CHARACTERS = f"{DIGITS}=+<^{LETTERS}" + "".join(CLOSES) + "".join(CLOSES.values())
ASKED: Mapping[Skill, tuple[str, int, str]] = {
    "addition": (DIGITS, 4, "+"),
    "matching": ("".join(CLOSES), 5, ""),
    "reversal": (LETTERS, 4, "<"),
    "sorting": (LETTERS, 4, "^"),
}
"""What prompts of a skill are made of: symbols, how many of them, and a sign."""
LONGEST = 6
"""Tokens of the longest completion, its end included."""
HELD_OUT_SHARE = 0.2


@checked("several-skills")
@dataclass(frozen=True)
class SeveralSkills:
    """Prompts of four skills; reward 1 for the right answer."""

    train: Annotated[int, Meta(ge=1, le=5000)] = 1000
    """Training prompts of each skill; of matching there are fewer."""
    held_out: Annotated[int, Meta(ge=1, le=500)] = 60
    """Held-out prompts of each skill; a hash of the prompt decides which may be trained on."""
    data_seed: int = 0
    """Of the choice of prompts."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Distinct prompts, skill after skill; always the same for a seed.

        Raises:
            SteelyardError: there is no such split.
        """
        check_split(split)
        return [prompt for skill in SKILLS for prompt in self.of(skill, split)]

    def of(self, skill: Skill, split: str) -> list[Prompt]:
        """The prompts of one skill."""
        number = self.train if split == "train" else self.held_out
        found: list[Prompt] = []
        draws = rng(self.data_seed, "several-skills", skill)
        for code in draws.permutation(_number(skill)).tolist():
            text = _question(skill, code)
            if (hash_share(text) < HELD_OUT_SHARE) == (split != "train"):
                found.append(Prompt(text, text, {"skill": skill, "answer": _answer(skill, text)}))
            if len(found) == number:
                break
        return found

    def demonstration(self, prompt: Prompt) -> str:
        """The right answer."""
        return prompt.columns["answer"]

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 for a completion that is the answer and ends there, else 0."""
        return [
            Score(float(e.trajectory.finish == "stop" and e.completion == e.prompt.columns["answer"])) for e in episodes
        ]


def base(task: SeveralSkills, seed: int, steps: int = 350) -> Policy:
    """A model that was taught all four skills from nothing."""
    policy = tiny_policy(CHARACTERS, seed=derive(seed, "base") % 2**31, width=48, context=16)
    shown = [task.of(skill, "train") for skill in SKILLS]
    draws = rng(seed, "several-skills", "base")
    asked = [of[i] for of in shown for i in draws.integers(len(of), size=3000)]
    pairs = [(str(prompt.text), task.demonstration(prompt)) for prompt in asked]
    imitate(policy, pairs, steps=steps, batch=64, learning_rate=5e-3, seed=seed)
    return policy


def _number(skill: Skill) -> int:
    symbols, length, _ = ASKED[skill]
    return len(symbols) ** length


def _question(skill: Skill, code: int) -> str:
    symbols, length, sign = ASKED[skill]
    return f"{_written(symbols, code, length)}{sign}="


def _written(symbols: str, code: int, length: int) -> str:
    return "".join(symbols[code // len(symbols) ** i % len(symbols)] for i in range(length))


def _answer(skill: Skill, text: str) -> str:
    asked = text[: ASKED[skill][1]]
    if skill == "addition":
        return "".join(DIGITS[(DIGITS.index(one) + 1) % len(DIGITS)] for one in asked)
    if skill == "matching":
        return "".join(CLOSES[one] for one in reversed(asked))
    return asked[::-1] if skill == "reversal" else "".join(sorted(asked))


WORLD = TextWorld(lambda seed: SeveralSkills(data_seed=seed), base, max_tokens=LONGEST)
