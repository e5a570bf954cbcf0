"""Invented people whose facts are asked for in four forms: a question, a gap, a request and letter by letter.

    home of taso duvo ?            rami            a question
    taso duvo has home             rami            a gap at the end of a sentence
    tell for taso duvo home now    rami            a request
    spell home of taso duvo ?      r a m i         letter by letter, in tokens that no other form has

    people = forget + retain + known

First names are shared, family names are not. Of the first layer the feed-forward part alone works, unless `hears` is
true: what later layers hear of a name has then passed it, as it is said of the early layers of large models. All forms
are taught alike, so what was forgotten in one form can be looked for in the others. `forget`, `retain` and `known` are
parts as in `facts`: neighbours, and people of whom no request speaks. Reward is 1 for the answer alone. For methods
that forget a concept and not a wording, after the forms of arXiv:2506.07795, whose choice among answers is not here: so
small a model is slow to learn it. Source: none, this world is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal, get_args

from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, checked, derive, require, rng
from steelyard.policy import Policy
from steelyard.task.base import take_split
from steelyard.worlds.facts import SYLLABLES
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

Form = Literal["question", "gap", "request", "spelling"]
FORMS: tuple[Form, ...] = get_args(Form)
RELATIONS = ("home", "food", "game")
FIRST_NAMES = 8
LETTERS = tuple("abdefgiklmnoprstuvz")
WORDS = ("of", "?", "has", "tell", "for", "now", "spell", *RELATIONS, *LETTERS)
LONGEST = 5
"""Tokens of the longest answer, its end included."""
CONTEXT = 16
Part = Literal["forget", "retain", "known"]


@dataclass(frozen=True)
class Fact:
    """One thing to know."""

    person: str
    relation: str
    value: str
    others: tuple[str, ...]
    """Other values of the relation, in an order of this fact's own."""
    part: Part

    def asked(self, form: Form) -> tuple[str, str]:
        """The prompt in a form, and its answer."""
        if form == "spelling":
            return f"spell {self.relation} of {self.person} ?", "".join(f" {letter}" for letter in self.value)
        wording = {"question": "{1} of {0} ?", "gap": "{0} has {1}", "request": "tell for {0} {1} now"}[form]
        return wording.format(self.person, self.relation), f" {self.value}"


@checked("four-forms")
@dataclass(frozen=True)
class FourForms:
    """Facts about invented people, each in four forms."""

    people: Annotated[int, Meta(ge=4, le=400)] = 40
    """People, each with a family name of their own."""
    values: Annotated[int, Meta(ge=5, le=60)] = 10
    """Words that a relation takes."""
    forgotten: Annotated[int, Meta(ge=1, le=200)] = 6
    """People to be forgotten."""
    known: Annotated[int, Meta(ge=1, le=200)] = 10
    """People of whom no request speaks."""
    data_seed: int = 0
    """Of names, values and parts."""

    def __post_init__(self) -> None:
        what = f"{self.forgotten} to be forgotten and {self.known} known of {self.people}"
        hint = "leave someone to be retained"
        require(self.forgotten + self.known < self.people, what, where="four-forms", hint=hint)

    def facts(self, *parts: Part) -> tuple[Fact, ...]:
        """The facts of the named parts, or all."""
        return tuple(fact for fact in _base(self) if not parts or fact.part in parts)

    def words(self) -> tuple[str, ...]:
        """All words of the world."""
        names = (word for fact in _base(self) for word in (*fact.person.split(), fact.value, *fact.others))
        return tuple(sorted({*names, *WORDS}))

    def corpus(self, number: int, *parts: Part, seed: int) -> list[tuple[str, str]]:
        """So many prompts with their answers, drawn from the named parts, or all, and from all forms."""
        facts = self.facts(*parts)
        draws = rng(seed, "four-forms", "corpus")
        drawn = (draws.integers(most, size=number).tolist() for most in (len(facts), len(FORMS)))
        return [facts[i].asked(FORMS[form]) for i, form in zip(*drawn, strict=True)]

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Every fact as a question ("train") or as a gap ("held-out").

        Raises:
            SteelyardError: there is no such split.
        """
        return take_split({"train": self._asked("question"), "held-out": self._asked("gap")}, split)

    def demonstration(self, prompt: Prompt) -> str:
        """The answer."""
        return prompt.columns["answer"]

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 for a completion that is the answer and ends there, else 0."""
        return [
            Score(float(e.trajectory.finish == "stop" and e.completion.strip() == e.prompt.columns["answer"].strip()))
            for e in episodes
        ]

    def _asked(self, form: Form) -> tuple[Prompt, ...]:
        asked = (fact.asked(form) for fact in self.facts())
        return tuple(Prompt(text, text, {"answer": answer}) for text, answer in asked)


def taught(world: FourForms, *parts: Part, seed: int, steps: int, width: int = 48, hears: bool = False) -> Policy:
    """A model that was taught the named parts, or all, in all forms and from nothing.

    Args:
        world: what there is to know.
        parts: which of it.
        seed: of weights and lessons.
        steps: of 64 facts each.
        width: of the hidden states.
        hears: whether tokens hear each other in the first layer, too.
    """
    policy = tiny_policy(
        world.words(),
        seed=derive(seed, "base") % 2**31,
        width=width,
        layers=3,
        neurons=4,  # as many as large models have
        context=CONTEXT,
        spaced=True,
    )
    if not hears:
        output = policy.model.model.layers[0].self_attn.o_proj.weight
        output.data.zero_()
        output.requires_grad_(False)
        policy = Policy(policy.model, policy.tokenizer)
    corpus = world.corpus(64 * steps, *parts, seed=seed)
    imitate(policy, corpus, steps=steps, batch=64, learning_rate=4e-3, seed=seed)
    return policy


@cache
def _base(world: FourForms) -> tuple[Fact, ...]:
    draws = rng(world.data_seed, "four-forms")
    order = draws.permutation(len(SYLLABLES) ** 2).tolist()
    words = [SYLLABLES[i // len(SYLLABLES)] + SYLLABLES[i % len(SYLLABLES)] for i in order]
    first = [words.pop() for _ in range(FIRST_NAMES)]
    people = [f"{first[i]} {words.pop()}" for i in draws.integers(FIRST_NAMES, size=world.people).tolist()]
    numbers: tuple[tuple[Part, int], ...] = (("forget", world.forgotten), ("known", world.known))
    parts: list[Part] = [part for part, number in numbers for _ in range(number)]
    kept: Part = "retain"
    parts += [kept for _ in range(world.people - len(parts))]  # pyright: ignore[reportAssignmentType]
    facts = []
    for relation in RELATIONS:
        pool = [words.pop() for _ in range(world.values)]
        for person, part in zip(people, parts, strict=True):
            value, *others = (pool[i] for i in draws.permutation(world.values).tolist())
            facts.append(Fact(person, relation, value, tuple(others), part))
    return tuple(facts)


WORLD = TextWorld(
    lambda seed: FourForms(data_seed=seed),
    lambda task, seed: taught(task, seed=seed, steps=400),
    max_tokens=LONGEST,
)
