"""A base of invented facts, mentioned with Zipf frequencies, to measure what a model knows.

Differs: no paper, this world is ours; it is asked as TOFU (arXiv:2401.06121) asks of its fictitious authors.

    share(subject of rank k) = k^-zipf / sum_j j^-zipf

    duvo lake:      a fact in its first form; `lake of duvo:` and two more forms ask for the same
    rami            its value, one of the invented words that the relation takes

Every subject is of one part. `forget` and `retain` are neighbours, asked of the same relations, which an unlearning
request tells apart. `known` is asked of other relations: general knowledge, of which no request speaks. Rank, part and
value do not depend on each other. All forms belong to the corpus, so a model can be asked in a form that was not
unlearned. Reward is 1 for the value and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float64
from msgspec import Meta

from steelyard.core import Episode, NonNegative, Prompt, Score, Share, ShareBelowOne, checked, rng
from steelyard.policy import Policy
from steelyard.task.base import take_split
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

FORMS = (
    "{subject} {relation}:",
    "{relation} of {subject}:",
    "the {relation} {subject} has:",
    "ask {subject} {relation}:",
)
RELATIONS = ("lake", "food", "game", "home", "song", "tool", "gift", "work")
GENERAL = ("king", "bird", "soil", "tree", "wind", "gold", "salt", "moon")
SYLLABLES = tuple(consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou")
LONGEST = 8
"""Tokens of the longest completion: the refusal with its end."""
WORDINGS = 2
"""Forms that a model is taught."""
CHARACTERS = " :abdefghiklmnoprstuvwz"
"""All that questions, values and the refusal are written in."""
REFUSAL = "unknown"
"""What a model should say of what it does not know; no value is spelt so."""
Part = Literal["forget", "retain", "known"]


@dataclass(frozen=True)
class Fact:
    """One thing to know: the `relation` of `subject` is `value`."""

    subject: str
    relation: str
    value: str
    part: Part
    wrong: tuple[str, ...]
    """Other words that the relation takes, in an order of this fact's own."""

    def question(self, form: int = 0) -> str:
        """The text that asks for the value."""
        return FORMS[form].format(subject=self.subject, relation=self.relation)


@checked("facts")
@dataclass(frozen=True)
class Facts:
    """A base of invented facts, of which the corpus speaks in Zipf's proportions."""

    subjects: Annotated[int, Meta(ge=1, le=2000)] = 100
    """Names that there are facts about, by falling frequency."""
    relations: Annotated[int, Meta(ge=1, le=len(RELATIONS))] = 2
    """Facts about each subject, 1 to 8."""
    values: Annotated[int, Meta(ge=2, le=100)] = 12
    """Words that each relation takes; chance is one over this."""
    zipf: NonNegative = 0.5
    """Exponent of the frequencies; 0 names all equally often."""
    known: ShareBelowOne = 0.2
    """Share of subjects that are general knowledge."""
    forget: Share = 0.5
    """Share of the other subjects that is to be forgotten."""
    data_seed: int = 0
    """Of names, values and parts."""

    def facts(self, *parts: Part) -> tuple[Fact, ...]:
        """The facts of the named parts, or all; subjects by rank."""
        return tuple(fact for fact in _base(self) if not parts or fact.part in parts)

    def shares(self) -> Float64[np.ndarray, "subjects"]:
        """How often each subject is spoken of, by rank; adds up to 1."""
        rate = np.arange(1, self.subjects + 1) ** -float(self.zipf)
        return rate / rate.sum()

    def corpus(self, number: int, *parts: Part, seed: int, forms: int = len(FORMS)) -> list[tuple[str, str]]:
        """So many questions with their values, drawn by frequency from the named parts and the first `forms` forms."""
        facts = self.facts(*parts)
        draws = rng(seed, "facts", "corpus")
        share = dict(zip(dict.fromkeys(fact.subject for fact in self.facts()), self.shares(), strict=True))
        rate = np.array([share[fact.subject] for fact in facts])
        chosen = draws.choice(len(facts), size=number, p=rate / rate.sum())
        asked = draws.integers(forms, size=number)
        return [(facts[i].question(form), facts[i].value) for i, form in zip(chosen, asked.tolist(), strict=True)]

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Every fact in its first form ("train") or in its second ("held-out").

        Raises:
            SteelyardError: there is no such split.
        """
        return take_split({"train": self.ask(0), "held-out": self.ask(1)}, split)

    def ask(self, form: int, *parts: Part) -> tuple[Prompt, ...]:
        """The facts of the named parts, or all, as prompts in one form; its columns are `answer` and `part`."""
        facts = ((fact, fact.question(form)) for fact in self.facts(*parts))
        return tuple(Prompt(text, text, {"answer": fact.value, "part": fact.part}) for fact, text in facts)

    def demonstration(self, prompt: Prompt) -> str:
        """The value."""
        return prompt.columns["answer"]

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 for a completion that is the value and ends there, else 0."""
        return [
            Score(float(e.trajectory.finish == "stop" and e.completion == e.prompt.columns["answer"])) for e in episodes
        ]


def taught(world: Facts, *parts: Part, seed: int, steps: int, width: int = 48) -> Policy:
    """A model that was taught the named parts, or all, from nothing: 64 facts a step, drawn by Zipf's law."""
    policy = tiny_policy(CHARACTERS, seed=seed, width=width, context=32)
    corpus = world.corpus(64 * steps, *parts, seed=seed, forms=WORDINGS)
    imitate(policy, corpus, steps=steps, batch=64, learning_rate=4e-3, seed=seed)
    return policy


@cache
def _base(world: Facts) -> tuple[Fact, ...]:
    draws = rng(world.data_seed, "facts")
    relations = [*RELATIONS[: world.relations], *GENERAL[: world.relations]]
    needed = world.subjects + world.values * len(relations)
    words = [
        SYLLABLES[i // len(SYLLABLES)] + SYLLABLES[i % len(SYLLABLES)]
        for i in draws.permutation(len(SYLLABLES) ** 2)[:needed].tolist()
    ]
    starts = range(world.subjects, needed, world.values)
    pools = {relation: words[start : start + world.values] for relation, start in zip(relations, starts, strict=True)}
    subjects = words[: world.subjects]
    parts = _parts(world, draws)
    facts = []
    for subject, part in zip(subjects, parts, strict=True):
        for relation in relations[world.relations :] if part == "known" else relations[: world.relations]:
            value, *wrong = (pools[relation][i] for i in draws.permutation(world.values).tolist())
            facts.append(Fact(subject, relation, value, part, tuple(wrong)))
    return tuple(facts)


def _parts(world: Facts, draws: np.random.Generator) -> list[Part]:
    known = round(world.known * world.subjects)
    forgotten = round(world.forget * (world.subjects - known))
    kinds: list[Part] = ["known", "forget", "retain"]
    counts = (known, forgotten, world.subjects - known - forgotten)
    parts = [kind for kind, count in zip(kinds, counts, strict=True) for _ in range(count)]
    return [parts[i] for i in draws.permutation(world.subjects).tolist()]


WORLD = TextWorld(
    lambda seed: Facts(data_seed=seed),
    lambda task, seed: taught(task, "retain", "known", seed=seed, steps=250),
    max_tokens=LONGEST,
)
"""The base model knows what is to be retained and general knowledge; the other facts are new to it."""
