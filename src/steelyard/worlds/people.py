"""People of invented families, of whom a model has heard some things rightly, some half, and some not at all.

Differs: no paper, this world is ours.

    tavo duri :             who is asked about: a name of their own, and a family
    lake rami . food besi . statements: a relation, its value and a full stop; six of them tell everything
    unsure                  instead of a statement, or of all

Of a family's six relations two are `known`: every mention in the corpus is right. Two are `half`: a mention is right as
often as it says one other value, always the same. Two are `unknown`: a mention says any value. Which are which depends
on family and relation alone, so it shows in a prompt, and who learns on some people when to be silent can be asked
about others. So the base model's own knowledge, and what precision and recall can be had of it, are known exactly.

    precision = right statements / statements,    recall = right statements / 6,    F1 = 2 right / (statements + 6)

Reward is F1. A statement that was made before is a wrong one, and so is whatever reads as none.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal, NamedTuple

import numpy as np
from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, Share, checked, rng
from steelyard.policy import Policy
from steelyard.task.base import take_split
from steelyard.worlds.facts import RELATIONS as EIGHT
from steelyard.worlds.facts import SYLLABLES
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

RELATIONS = EIGHT[:6]
FAMILIES = 3
"""One for each way in which the levels can lie."""
SOME = 0.5
"""Share of the mentions that leave something out: a model that has only heard everything tells a thing by its place."""
UNSURE = "unsure"
STOP = "."
LONGEST = 3 * len(RELATIONS) + 2
"""Tokens of the longest completion: six statements, a word that there is no more, and the end."""
CONTEXT = 32
Level = Literal["known", "half", "unknown"]
LEVELS: tuple[Level, ...] = ("known", "half", "unknown")


@dataclass(frozen=True)
class Person:
    """Somebody, and what is true of them."""

    name: str
    family: int
    """Its number."""
    held_out: bool
    truth: tuple[str, ...]
    """The value of each relation."""
    rumour: tuple[str, ...]
    """The other value that is said where only half is known."""


class Counts(NamedTuple):
    """The statements of a completion, and how many are right."""

    given: int
    correct: int

    @property
    def f1(self) -> float:
        """Of statements, where all six are wanted."""
        return 2 * self.correct / (self.given + len(RELATIONS))


@checked("people")
@dataclass(frozen=True)
class People:
    """People with six things to know of each, of which a model has heard in three degrees."""

    people: Annotated[int, Meta(ge=30, le=2000)] = 240
    """How many; two of five are held out."""
    values: Annotated[int, Meta(ge=2, le=100)] = 12
    """Words that each relation takes; who has heard nothing is right one time in so many."""
    half: Share = 0.5
    """Share of the mentions of a half-known thing that are right."""
    data_seed: int = 0
    """Of names and truths."""

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Every word of the language: names, then families, then the values of each relation."""
        number = self.people + FAMILIES + self.values * len(RELATIONS)
        order = rng(self.data_seed, "people", "words").permutation(len(SYLLABLES) ** 2).tolist()
        every = (SYLLABLES[i // len(SYLLABLES)] + SYLLABLES[i % len(SYLLABLES)] for i in order)
        return tuple(itertools.islice((word for word in every if word not in RELATIONS), number))

    @cached_property
    def families(self) -> tuple[str, ...]:
        """Their words."""
        return self.words[self.people :][:FAMILIES]

    @cached_property
    def pools(self) -> tuple[tuple[str, ...], ...]:
        """The values that each relation takes."""
        every = self.words[self.people + FAMILIES :]
        return tuple(every[i * self.values : (i + 1) * self.values] for i in range(len(RELATIONS)))

    @cached_property
    def everybody(self) -> tuple[Person, ...]:
        """The people; a family has one of three in order, and of each family two of five are held out."""
        draws = rng(self.data_seed, "people", "truth")
        found = []
        for i, name in enumerate(self.words[: self.people]):
            pairs = [draws.permutation(self.values)[:2].tolist() for _ in RELATIONS]
            truth, rumour = (
                tuple(pool[pair[k]] for pool, pair in zip(self.pools, pairs, strict=True)) for k in range(2)
            )
            found.append(Person(name, i % FAMILIES, (i // FAMILIES) % 5 >= 3, truth, rumour))
        return tuple(found)

    @cached_property
    def by_text(self) -> dict[str, Person]:
        """The person whom a prompt asks about."""
        return {self.asked(person): person for person in self.everybody}

    def asked(self, person: Person) -> str:
        """The text that asks for all that is known of somebody."""
        return f"{person.name} {self.families[person.family]} :"

    def heard(self, person: Person, relation: int) -> tuple[str, ...]:
        """The values that mentions of it say, each as often as it stands here or as `half` says."""
        level = level_of(person, relation)
        known = (person.truth[relation],)
        return (
            known
            if level == "known"
            else (*known, person.rumour[relation])
            if level == "half"
            else self.pools[relation]
        )

    def mention(self, person: Person, draws: np.random.Generator) -> str:
        """Statements about somebody, as a corpus has them: all six half of the time, else one to five of them."""
        said = []
        for relation in range(len(RELATIONS)):
            heard = self.heard(person, relation)
            level = level_of(person, relation)
            which = int(draws.random() >= self.half) if level == "half" else int(draws.integers(len(heard)))
            said.append(heard[which])
        number = int(draws.integers(1, len(RELATIONS))) if draws.random() < SOME else len(RELATIONS)
        kept = sorted(draws.permutation(len(RELATIONS))[:number].tolist())
        return told([said[i] for i in kept], [RELATIONS[i] for i in kept])

    def corpus(self, number: int, *, seed: int) -> Iterator[tuple[str, str]]:
        """So many mentions of people, drawn alike, as prompts and completions."""
        draws = rng(seed, "people", "corpus")
        for i in draws.integers(self.people, size=number).tolist():
            person = self.everybody[i]
            yield self.asked(person), self.mention(person, draws)

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Everybody of a split, with the column `answer`: all that is true.

        Raises:
            SteelyardError: there is no such split.
        """
        parts = {
            name: [p for p in self.everybody if p.held_out == (name == "held-out")] for name in ("train", "held-out")
        }
        return take_split({name: tuple(map(self._prompt, part)) for name, part in parts.items()}, split)

    def _prompt(self, person: Person) -> Prompt:
        text = self.asked(person)
        return Prompt(text, text, {"answer": told(person.truth)})

    def demonstration(self, prompt: Prompt) -> str:
        """All that is true."""
        return prompt.columns["answer"]

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """F1 of a completion's statements; the parts are `given` and `correct`."""
        counts = [counted(e.completion, e.prompt.columns["answer"]) for e in episodes]
        return [Score(one.f1, {"given": float(one.given), "correct": float(one.correct)}) for one in counts]


def level_of(person: Person, relation: int) -> Level:
    """How much of a relation was heard of a person."""
    return LEVELS[(person.family + relation) % len(LEVELS)]


def told(values: Sequence[str], relations: Sequence[str] = RELATIONS) -> str:
    """Statements of a value for each relation."""
    return " ".join(f"{relation} {value} {STOP}" for relation, value in zip(relations, values, strict=True))


def statements(text: str) -> list[str]:
    """The statements of a text, without their full stops; what says that nothing is known is none."""
    return [part for part in (piece.strip() for piece in text.replace(UNSURE, STOP).split(STOP)) if part]


def counted(completion: str, answer: str) -> Counts:
    """The statements of a completion beside all that is true; one that was made before is wrong."""
    said = statements(completion)
    return Counts(len(said), len({*said} & {*statements(answer)}))


def base(task: People, seed: int, steps: int = 500) -> Policy:
    """A model that has heard of everybody: 64 mentions a step, in the last third at a third of the rate."""
    symbols = [*task.words, *RELATIONS, ":", STOP, UNSURE]
    policy = tiny_policy(symbols, seed=seed, width=64, context=CONTEXT, spaced=True)
    corpus = list(task.corpus(64 * steps, seed=seed))
    last = steps // 3
    for part, rate in ((slice(0, 64 * (steps - last)), 1e-2), (slice(64 * (steps - last), None), 3e-3)):
        heard = corpus[part]
        imitate(policy, heard, steps=len(heard) // 64, batch=64, learning_rate=rate, seed=seed)
    return policy


WORLD = TextWorld(lambda seed: People(data_seed=seed), base, max_tokens=LONGEST)
"""The base model says all six things of everybody, held-out people too, and knows two of them."""
