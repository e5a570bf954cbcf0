"""Facts about people of whom a question says one name in other words: what memory cannot hold and a search must find.

    tavo duri keeps besi now            a passage: somebody's two names, a relation and a value
    who mira duri kire                  a question: a clue for the first name, the second name, a clue for the relation
    mira is tavo , kire is keeps , tavo duri keeps besi     its rationale
    besi                                its answer

Each first name and each relation has a clue, always the same, which no passage holds. So a search by the question finds
all that is told of those who have the second name; a search by the rationale finds the passage. People who are asked
about in training and held-out ones are different people, with the same names in other pairs: who has learned what the
clues mean can find what is told of the others.
Known exactly: the passage and the answer of each question. For cards of retrieval and of reasoning with knowledge.
Source: none, this world is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from steelyard.core import PositiveInt, checked, rng
from steelyard.worlds.facts import SYLLABLES

FILLERS = ("now", "still", "too", "always")
MARKS = ("who", "is", ",", "answer", ":", "known", "say")


class Riddle(NamedTuple):
    """A question, what it takes to answer it, and its answer."""

    question: str
    rationale: str
    answer: str
    passage: str


@checked("riddles")
@dataclass(frozen=True)
class Riddles:
    """People, what is told of them, and questions about them."""

    first: PositiveInt = 12
    """First names."""
    second: PositiveInt = 12
    """Second names."""
    relations: PositiveInt = 3
    """That are told of everybody."""
    values: PositiveInt = 24
    """That a relation may have."""
    data_seed: int = 0
    """Of the words, the facts and who is held out."""

    @cached_property
    def words(self) -> list[list[str]]:
        """First names, second names, relations, values, clues of first names, clues of relations."""
        order = rng(self.data_seed, "riddles", "words").permutation(len(SYLLABLES) ** 2)
        every = iter([SYLLABLES[i // len(SYLLABLES)] + SYLLABLES[i % len(SYLLABLES)] for i in order.tolist()])
        sizes = (self.first, self.second, self.relations, self.values, self.first, self.relations)
        return [[next(every) for _ in range(size)] for size in sizes]

    @property
    def vocabulary(self) -> list[str]:
        """All words."""
        return [*(word for words in self.words for word in words), *FILLERS, *MARKS]

    @cached_property
    def riddles(self) -> tuple[Sequence[Riddle], Sequence[Riddle]]:
        """Of the people of the training split, three of four, and of those who are held out."""
        draws = rng(self.data_seed, "riddles", "facts")
        people = draws.permutation(self.first * self.second).tolist()
        cut = len(people) * 3 // 4
        told = [self._riddle(p, r, int(draws.integers(self.values)), str(draws.choice(FILLERS)))
                for p in people for r in range(self.relations)]  # fmt: skip
        return told[: cut * self.relations], told[cut * self.relations :]

    @property
    def passages(self) -> list[str]:
        """All that is told of anybody."""
        return [one.passage for part in self.riddles for one in part]

    def _riddle(self, person: int, relation: int, value: int, filler: str) -> Riddle:
        first, second, relations, values, clues, hints = self.words
        a, b = divmod(person, self.second)
        told = f"{first[a]} {second[b]} {relations[relation]} {values[value]}"
        why = f"{clues[a]} is {first[a]} , {hints[relation]} is {relations[relation]} , {told}"
        return Riddle(f"who {clues[a]} {second[b]} {hints[relation]}", why, values[value], f"{told} {filler}")
