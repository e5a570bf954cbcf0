"""Short notes by a careless writer, and a critic who says in words what is good, what is not, and how to mend it.

Differs: no paper, this world is ours.

    write rami :                        asked for: a note about a topic
    duri grub lake thanks               a note: its topic, two words of small talk, and a close
    about no kind no close yes          a critique: one word for each of three rules; its score is 1 + rules kept
    name rami drop grub                 what to change: the topic, a rude word, the missing close

    reward = rules kept / 3,    score = 1 + rules kept

A note is about the topic that was asked for, has no rude word, and closes with thanks: three rules that have nothing to
do with each other, so a critique says of a bad note what is good in it, and a score does not. The careless writer keeps
each rule with probability `care`, whatever the others; a good writer who is told what to change does so nine times in
ten, and leaves the rest as it was. What is no note keeps no rule.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, NamedTuple

import numpy as np
from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, ShareInside, checked, derive, rng
from steelyard.policy import Policy
from steelyard.task.base import check_split
from steelyard.task.critiqued import Critiqued
from steelyard.worlds.facts import SYLLABLES
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

RUDE = ("grub", "dolt", "oaf", "lout")
SMALL = ("well", "today", "again", "indeed", "surely", "often")
THANKS = "thanks"
RULES = ("about", "kind", "close")
KEPT = ("no", "yes")
WORDS = (*RUDE, *SMALL, THANKS, *RULES, *KEPT, "name", "drop", "add", "keep", "write", ":", "score", *"1234")
LENGTH = 4
"""Words of a note."""
MENDS = 0.9
"""How often a good writer changes what is to be changed."""
CONTEXT = 64


class Kept(NamedTuple):
    """Which rules a note keeps."""

    about: bool
    kind: bool
    close: bool

    @property
    def score(self) -> int:
        """From 1 to 4."""
        return 1 + sum(self)

    @property
    def critique(self) -> str:
        """In words."""
        return " ".join(f"{rule} {KEPT[kept]}" for rule, kept in zip(RULES, self, strict=True))


@checked("notes")
@dataclass(frozen=True)
class Notes:
    """Notes about topics; reward for each rule that one keeps."""

    topics: Annotated[int, Meta(ge=10, le=400)] = 80
    """How many there are; a quarter are held out."""
    care: ShareInside = 0.3
    """How often the careless writer keeps a rule."""
    data_seed: int = 0
    """Of the topics' words."""

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The topics; those held out stand at the end."""
        order = rng(self.data_seed, "notes", "topics").permutation(len(SYLLABLES) ** 2)
        every = (SYLLABLES[i // len(SYLLABLES)] + SYLLABLES[i % len(SYLLABLES)] for i in order.tolist())
        return tuple(word for word in every if word not in WORDS)[: self.topics]

    def prompts(self, split: str) -> Sequence[Prompt]:
        """One for each topic of a split, in the column `topic`.

        Raises:
            SteelyardError: there is no such split.
        """
        check_split(split)
        held = self.topics // 4
        return [self.prompt(t) for t in (self.words[:-held] if split == "train" else self.words[-held:])]

    def prompt(self, topic: str) -> Prompt:
        """What asks for a note about a topic."""
        return Prompt(topic, f"write {topic} : ", {"topic": topic})

    def careless(self, topic: str, draws: np.random.Generator) -> str:
        """A note by the careless writer."""
        about, kind, close = draws.random(3) < self.care
        others = [word for word in self.words if word != topic]
        second = str(draws.choice(SMALL if kind else RUDE))
        last = THANKS if close else str(draws.choice(SMALL))
        return f"{topic if about else draws.choice(others)} {second} {draws.choice(SMALL)} {last}"

    def kept(self, topic: str, note: str) -> Kept | None:
        """The rules that a note keeps; None for what is no note."""
        said = note.split(" ")
        known = len(said) == LENGTH and said[0] in self.words and all(w in (*RUDE, *SMALL, THANKS) for w in said[1:])
        return Kept(said[0] == topic, not {*said} & {*RUDE}, said[-1] == THANKS) if known else None

    def critic(self, topic: str, note: str) -> tuple[int, str, str]:
        """Score, critique, and what to change."""
        kept = self.kept(topic, note) or Kept(False, False, False)
        rude = next((word for word in note.split(" ") if word in RUDE), "")
        changes = ("" if kept.about else f"name {topic}", f"drop {rude}" if rude else "", "" if kept.close else "add")
        return kept.score, kept.critique, " ".join(filter(None, changes)) or "keep"

    def mended(self, topic: str, note: str, draws: np.random.Generator) -> str:
        """The note after a good writer was told what to change."""
        first, second, third, last = note.split(" ")
        name, drop, add = draws.random(3) < MENDS
        small = str(draws.choice(SMALL))
        second = small if drop and second in RUDE else second
        return f"{topic if name else first} {second} {third} {THANKS if add else last}"

    def row(self, topic: str, draws: np.random.Generator) -> Critiqued:
        """A careless note with its score and critique, and a second one that came of what was to be changed."""
        note = self.careless(topic, draws)
        score, critique, change = self.critic(topic, note)
        turns = ((change, self.mended(topic, note, draws)),)
        return Critiqued(self.prompt(topic), note, float(score), critique, turns)

    def demonstration(self, prompt: Prompt) -> str:
        """A note that keeps every rule."""
        return f"{prompt.columns['topic']} {SMALL[0]} {SMALL[1]} {THANKS}"

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """The share of the rules that a note keeps."""
        notes = [self.kept(e.prompt.columns["topic"], e.completion) for e in episodes]
        return [Score(0.0 if kept is None else sum(kept) / len(RULES)) for kept in notes]

    def corpus(self, number: int, seed: int) -> Iterator[tuple[str, str]]:
        """So many prompts with careless notes, about all topics alike."""
        draws = rng(seed, "notes", "corpus")
        for i in draws.integers(self.topics, size=number):
            topic = self.words[i]
            yield str(self.prompt(topic).text), self.careless(topic, draws)


def base(task: Notes, seed: int, steps: int = 300) -> Policy:
    """A model that has read 64 careless notes a step."""
    symbols = [*task.words, *WORDS]
    start = derive(seed, "base") % 2**31
    policy = tiny_policy(symbols, seed=start, width=64, context=CONTEXT, spaced=True)
    imitate(policy, list(task.corpus(64 * steps, seed)), steps=steps, batch=64, learning_rate=3e-3, seed=seed)
    return policy


WORLD = TextWorld(lambda seed: Notes(data_seed=seed), base, max_tokens=LENGTH + 1)
"""The base model writes careless notes about every topic, held-out ones too."""
