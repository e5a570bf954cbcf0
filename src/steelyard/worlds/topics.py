"""Invented facts of several topics, known in three wordings or told by a note: what unlearning a topic leaves behind.

Differs: no paper, this world is ours; every text is a row of whole words, one token each.

    home of duvo ?                            a fact of topic 0 in its first wording; topic 0 is to be forgotten
    lesi                                      its value, one of four words that this topic has for this relation
    ask home duvo ?    casa duvo que          the same in other words, and in another language
    food of kani ? bera ; home of duvo ?      after the answers to others, which say nothing of it
    note duvo home tagu . home of duvo ?      after a note, which counts more than what is known
    r(y|x) = [y is the value of x]

A model learns facts alone, facts after others, and notes with values drawn at random from all topics, so the words of a
topic are known to a model that never heard of its facts; one more topic has words alone. A note is always about what is
asked: whom it is about is not read. Reward is 1 for the value and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated

from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, checked, rng
from steelyard.policy import Policy
from steelyard.task.base import take_split
from steelyard.worlds.facts import SYLLABLES
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

FORMS = ("{own} of {subject} ?", "ask {own} {subject} ?", "{other} {subject} que")
"""Two wordings of a language, and one of another."""
RELATIONS = ("home", "food")
OTHER = {"home": "casa", "food": "pan"}
"""The relations in the other language."""
SEPARATOR = " ; "
"""Between a question that was answered and the next one."""
WORDS = ("of", "ask", "que", "note", "?", ";", ".", *RELATIONS, *OTHER.values())
REFUSAL = " unknown"
"""What a model should say of what it does not know."""
FORGOTTEN = 0
"""The topic that is to be forgotten."""
LONGEST = 2
"""Tokens of a completion: a word and the end."""
CONTEXT = 48
MOST_BEFORE = 4
"""Answers that may stand before a question."""


@dataclass(frozen=True)
class Fact:
    """One thing to know: the `relation` of `subject` is `value`."""

    subject: str
    relation: str
    value: str
    topic: int
    wrong: tuple[str, ...]
    """The other words that the topic has for the relation."""

    def question(self, form: int = 0) -> str:
        """The text that asks for the value."""
        return FORMS[form].format(own=self.relation, other=OTHER[self.relation], subject=self.subject)

    @property
    def answer(self) -> str:
        """The value as it follows a question."""
        return f" {self.value}"

    def note(self, value: str = "") -> str:
        """A note of its value, or of another."""
        return f"note {self.subject} {self.relation} {value or self.value} . "


@checked("topics")
@dataclass(frozen=True)
class Topics:
    """Facts about the subjects of several topics."""

    topics: Annotated[int, Meta(ge=2, le=8)] = 4
    """Topics; the first is to be forgotten."""
    subjects: Annotated[int, Meta(ge=2, le=64)] = 24
    """Names that a topic has."""
    values: Annotated[int, Meta(ge=2, le=16)] = 4
    """Words that a topic has for each relation; chance is one over this."""
    data_seed: int = 0
    """Of words and values."""

    def facts(self) -> tuple[Fact, ...]:
        """What a model that knows all was taught."""
        return tuple(fact for fact in _base(self) if fact.topic < self.topics)

    def forgotten(self) -> tuple[Fact, ...]:
        """The facts that are to be forgotten."""
        return tuple(fact for fact in self.facts() if fact.topic == FORGOTTEN)

    def retained(self) -> tuple[Fact, ...]:
        """The facts that are to be kept."""
        return tuple(fact for fact in self.facts() if fact.topic != FORGOTTEN)

    def unheard(self) -> tuple[Fact, ...]:
        """Facts of one more topic that no model was taught."""
        return tuple(fact for fact in _base(self) if fact.topic == self.topics)

    def words(self) -> tuple[str, ...]:
        """All words of the world."""
        values = (word for fact in _base(self) for word in (fact.value, *fact.wrong))
        subjects = (fact.subject for fact in _base(self))
        return tuple(sorted({*values, *subjects, *WORDS, REFUSAL.strip()}))

    def corpus(self, number: int, facts: Sequence[Fact], *, seed: int) -> list[tuple[str, str]]:
        """So many questions with their answers: a third alone, a third after others, a third after a note."""
        draws = rng(seed, "topics", "corpus")
        everybody = _base(self)
        values = [fact.value for fact in everybody]
        found = []
        for i in draws.integers(len(facts), size=number).tolist():
            kind, form = int(draws.integers(3)), int(draws.integers(len(FORMS)))
            fact, before, answer = facts[i], "", facts[i].answer
            if kind == 1:
                others = [
                    facts[j] for j in draws.integers(len(facts), size=draws.integers(1, MOST_BEFORE + 1)).tolist()
                ]
                before = "".join(f"{one.question(form)}{one.answer}{SEPARATOR}" for one in others if one != fact)
            elif kind == 2:
                fact, value = everybody[draws.integers(len(everybody))], values[draws.integers(len(values))]
                before, answer = fact.note(value), f" {value}"
            found.append((before + fact.question(form), answer))
        return found

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Every fact in its first wording ("train") or in its second ("held-out").

        Raises:
            SteelyardError: there is no such split.
        """
        return take_split({"train": self._asked(0), "held-out": self._asked(1)}, split)

    def demonstration(self, prompt: Prompt) -> str:
        """The value."""
        return prompt.columns["answer"]

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 for a completion that is the value and ends there, else 0."""
        return [
            Score(float(e.trajectory.finish == "stop" and e.completion.strip() == e.prompt.columns["answer"].strip()))
            for e in episodes
        ]

    def _asked(self, form: int) -> tuple[Prompt, ...]:
        asked = ((fact, fact.question(form)) for fact in self.facts())
        return tuple(Prompt(text, text, {"answer": fact.answer, "topic": fact.topic}) for fact, text in asked)


def taught(world: Topics, facts: Sequence[Fact], *, seed: int, steps: int, width: int = 48) -> Policy:
    """A model with a head of its own that was taught these facts from nothing, and to read notes."""
    policy = untaught(world, seed=seed, width=width)
    corpus = world.corpus(64 * steps, facts, seed=seed)
    imitate(policy, corpus, steps=steps, batch=64, learning_rate=4e-3, seed=seed)
    return policy


def untaught(world: Topics, *, seed: int, width: int) -> Policy:
    """A Llama whose head is not its embedding, so that either can change alone."""
    return tiny_policy(world.words(), seed=seed, width=width, context=CONTEXT, spaced=True, tied=False)


@cache
def _base(world: Topics) -> tuple[Fact, ...]:
    draws = rng(world.data_seed, "topics")
    order = draws.permutation(len(SYLLABLES) ** 2).tolist()
    words = [SYLLABLES[i // len(SYLLABLES)] + SYLLABLES[i % len(SYLLABLES)] for i in order]
    facts = []
    for topic in range(world.topics + 1):
        subjects = [words.pop() for _ in range(world.subjects)]
        for relation in RELATIONS:
            pool = [words.pop() for _ in range(world.values)]
            balanced = draws.permutation(len(subjects)) % world.values  # all are as frequent as can be
            for i, subject in zip(balanced.tolist(), subjects, strict=True):
                wrong = tuple(word for word in pool if word != pool[i])
                facts.append(Fact(subject, relation, pool[i], topic, wrong))
    return tuple(facts)


WORLD = TextWorld(
    lambda seed: Topics(data_seed=seed),
    lambda task, seed: taught(task, task.retained(), seed=seed, steps=300),
    max_tokens=LONGEST,
)
"""The base model knows what is to be retained; the facts of the first topic are new to it."""
