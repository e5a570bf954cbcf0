"""Domains of invented facts that are to be forgotten one request after the other: the world of continual unlearning.

Every domain has words of its own for whom a fact is about, where and of what kind: in a question three words of five
are the domain's, as in questions of physics and of law. What is asked and how is the same in all domains.

    bona tagu duvo is            the fact of kind bona about duvo at tagu, in its first wording
    ask duvo tagu bona ?         the same in the second
    lesi                         its value, one of four words that the domain has for this kind

The first domains are requested in turn; of the others, one is shown to methods that want data to retain, and the rest
to none. A row of a request is a fact in one of the two wordings, half of the rows in either: the other wording tells
whether the fact is forgotten or the row alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool

from steelyard.core import PositiveInt, Prompt, checked, rng
from steelyard.learner import demonstration
from steelyard.policy import Policy
from steelyard.task.answered import Answered
from steelyard.unlearn.audit import Question, answers_logp
from steelyard.worlds.facts import SYLLABLES
from steelyard.worlds.sync_loop import imitate, tiny_policy

FORMS = ("{kind} {place} {subject} is", "ask {subject} {place} {kind} ?")
VALUES = 4
"""Words that a domain has for each kind; chance is one over this."""
KINDS = 2


@dataclass(frozen=True)
class Fact:
    """One thing to know."""

    domain: int
    subject: str
    place: str
    kind: str
    value: str
    wrong: tuple[str, ...]

    def row(self, form: int) -> Answered:
        """The fact in a wording, as a row of a file."""
        text = FORMS[form].format(kind=self.kind, place=self.place, subject=self.subject)
        return Answered(Prompt(text, text), f" {self.value}", tuple(f" {word}" for word in self.wrong))


@checked("requests")
@dataclass(frozen=True)
class Requests:
    """Facts of several domains."""

    requests: PositiveInt = 3
    """Domains that are to be forgotten, one after the other."""
    kept: PositiveInt = 3
    """Domains that are to be kept; the first of them may be shown to a method."""
    subjects: PositiveInt = 8
    """Names that a domain has; each has one place and a fact of each kind."""
    data_seed: int = 0
    """Of words and values."""

    @property
    def domains(self) -> int:
        """All of them."""
        return self.requests + self.kept

    def facts(self, *domains: int) -> tuple[Fact, ...]:
        """Of these domains, or of all."""
        return tuple(fact for fact in _base(self) if not domains or fact.domain in domains)

    def request(self, domain: int) -> list[Answered]:
        """The rows by which a domain is to be forgotten, or which are shown of a kept one."""
        return [fact.row(i % 2) for i, fact in enumerate(self._mixed(domain))]

    def reworded(self, domain: int) -> list[Answered]:
        """The same facts, each in the other wording."""
        return [fact.row(1 - i % 2) for i, fact in enumerate(self._mixed(domain))]

    def _mixed(self, domain: int) -> list[Fact]:
        facts = self.facts(domain)
        return [facts[i] for i in rng(self.data_seed, "requests", domain).permutation(len(facts)).tolist()]


def taught(world: Requests, *, seed: int, steps: int, width: int = 32) -> Policy:
    """A model that was taught all facts in both wordings from nothing."""
    words = {word for fact in world.facts() for word in (fact.subject, fact.place, fact.kind, fact.value, *fact.wrong)}
    policy = tiny_policy(sorted({*words, "ask", "is", "?"}), seed=seed, width=width, context=16, spaced=True)
    draws = rng(seed, "requests", "corpus")
    facts = world.facts()
    rows = [facts[i].row(form) for i, form in draws.integers((len(facts), 2), size=(64 * steps, 2)).tolist()]
    pairs = [(str(row.prompt.text), row.answer) for row in rows]
    imitate(policy, pairs, steps=steps, batch=64, learning_rate=6e-3, seed=seed)
    return policy


def knows(policy: Policy, rows: Sequence[Answered]) -> Bool[np.ndarray, "N"]:
    """Which rows' answer the model finds likelier than each wrong one."""
    asked = [
        Question(
            demonstration(policy, row.prompt, row.answer),
            tuple(demonstration(policy, row.prompt, text) for text in row.wrong),
        )
        for row in rows
    ]
    logp_NA = answers_logp(policy, asked)
    return logp_NA[:, 0] > logp_NA[:, 1:].max(1)


@cache
def _base(world: Requests) -> tuple[Fact, ...]:
    draws = rng(world.data_seed, "requests")
    order = draws.permutation(len(SYLLABLES) ** 2).tolist()
    words = [SYLLABLES[i // len(SYLLABLES)] + SYLLABLES[i % len(SYLLABLES)] for i in order]
    facts = []
    for domain in range(world.domains):
        subjects, places = ([words.pop() for _ in range(number)] for number in (world.subjects, VALUES))
        where = draws.permutation(world.subjects) % VALUES
        for _ in range(KINDS):
            kind, pool = words.pop(), [words.pop() for _ in range(VALUES)]
            values = draws.permutation(world.subjects) % VALUES  # all are as frequent as can be
            for subject, place, value in zip(subjects, where.tolist(), values.tolist(), strict=True):
                wrong = tuple(word for word in pool if word != pool[value])
                facts.append(Fact(domain, subject, places[place], kind, pool[value], wrong))
    return tuple(facts)
