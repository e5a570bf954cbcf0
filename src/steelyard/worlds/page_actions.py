"""Shoppers on invented pages: what somebody does next is easy in kind, and hard in the words that they type or click.

Differs: no paper, this world is ours; its actions are those of Shop-R1 (arXiv:2507.17842).

    want tavo duri : page empty                                 type_and_submit: the words wanted, in the field "search"
    want tavo duri : page lake rami / tavo duri / food besi     click: what is wanted, where the page shows it
    want tavo duri : page lake rami / pona duri / food besi     terminate: it does not

    {"rationale":" nothing here ","action":{"type":"type_and_submit","name":" search ","text":" tavo duri "}}

    r(y | x) = [action of y = right action of x]

A completion is such an object, letter by letter valid JSON. The kind follows from the page, and `terminate` needs no
words; on a page that shows nearly what is wanted, one word another, it takes a look at all to tell. What is wanted has
`length` words. Whoever the base model heard of was careless: each word that they typed or clicked was another one with
probability `slips`, and one time in three they left a page with what they wanted. So the base model knows the form, is
often right in kind, and seldom in all words. A reason is one of a few and says which kind of page it is.
Known exactly: the right action.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, ShareBelowOne, checked, rng
from steelyard.policy import Policy
from steelyard.reward.structured import object_of, told
from steelyard.task.base import split_by_hash, take_split
from steelyard.worlds.facts import SYLLABLES
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

Kind = Literal["type_and_submit", "click", "terminate"]
KINDS: tuple[Kind, ...] = ("type_and_submit", "click", "terminate")
SHOWN = 3
"""Things on a page."""
HELD_OUT_SHARE = 0.3
HEAD = '{"rationale":"'
ACTIONS: dict[Kind, str] = {
    "type_and_submit": '","action":{"type":"type_and_submit","name":"',
    "click": '","action":{"type":"click","name":"',
    "terminate": '","action":{"type":"terminate"',
}
TEXT = '","text":"'
TAIL = '"}}'
SHORT_TAIL = "}}"
REASONS: dict[Kind, tuple[str, ...]] = {
    "type_and_submit": ("nothing", "here"),
    "click": ("found", "it"),
    "terminate": ("not", "there"),
}
FORM = (HEAD, *ACTIONS.values(), TEXT, TAIL, SHORT_TAIL)
WORDS = ("want", "page", "empty", "search", ":", "/", *(word for said in REASONS.values() for word in said))
LEAVES = 1 / 3
"""How often a careless shopper leaves a page with what they want."""


@dataclass(frozen=True)
class Visit:
    """Somebody on a page."""

    want: tuple[str, ...]
    shown: tuple[tuple[str, ...], ...]

    @property
    def kind(self) -> Kind:
        """What they do next."""
        return "type_and_submit" if not self.shown else "click" if self.want in self.shown else "terminate"

    @property
    def text(self) -> str:
        """What a model is asked."""
        page = " / ".join(map(" ".join, self.shown)) or "empty"
        return f"want {' '.join(self.want)} : page {page}"

    @property
    def action(self) -> dict[str, str]:
        """The right action."""
        words = " ".join(self.want)
        fields = {"type_and_submit": {"name": "search", "text": words}, "click": {"name": words}, "terminate": {}}
        return {"type": self.kind, **fields[self.kind]}


@checked("page-actions")
@dataclass(frozen=True)
class PageActions:
    """Visits of shoppers, with the action that follows."""

    visits: Annotated[int, Meta(ge=30, le=100_000)] = 3000
    """How many, before equal ones are merged; three in ten are held out."""
    words: Annotated[int, Meta(ge=4, le=2000)] = 24
    """Words that things are called by."""
    length: Annotated[int, Meta(ge=1, le=6)] = 3
    """Words of what is wanted."""
    slips: ShareBelowOne = 0.4
    """How often a word of a careless shopper is another one."""
    data_seed: int = 0
    """Of words and visits."""

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Words of four letters."""
        order = rng(self.data_seed, "page-actions", "words").permutation(len(SYLLABLES) ** 2).tolist()
        every = (SYLLABLES[i // len(SYLLABLES)] + SYLLABLES[i % len(SYLLABLES)] for i in order)
        return tuple(word for word in every if word not in WORDS)[: self.words]

    @property
    def max_tokens(self) -> int:
        """Tokens of the longest completion."""
        return len((HEAD, *REASONS["click"], ACTIONS["click"], "search", TEXT, TAIL)) + self.length + 1

    @property
    def context(self) -> int:
        """Tokens of the longest prompt and completion."""
        return 3 + self.length + SHOWN * (self.length + 1) + self.max_tokens

    @cached_property
    def _splits(self) -> dict[str, tuple[Prompt, ...]]:
        made = ((visit.text, self._prompt(visit)) for visit in self._visits())
        return split_by_hash(made, HELD_OUT_SHARE, where="page-actions")

    def _visits(self) -> Iterator[Visit]:
        draws = rng(self.data_seed, "page-actions", "visits")
        for number in range(self.visits):
            want = self._thing(draws)
            yield Visit(want, self._page(KINDS[number % len(KINDS)], want, draws))

    def _page(self, kind: Kind, want: tuple[str, ...], draws: np.random.Generator) -> tuple[tuple[str, ...], ...]:
        """A page on which a visitor who wants this acts so; where they leave, one thing is nearly what they want."""
        if kind == "type_and_submit":
            return ()
        near = list(want)
        place = int(draws.integers(self.length))
        near[place] = self._word(draws)
        special = want if kind == "click" or tuple(near) == want else tuple(near)
        page = [special, *(self._thing(draws) for _ in range(SHOWN - 1))]
        return tuple(page[i] for i in draws.permutation(SHOWN).tolist())

    def _thing(self, draws: np.random.Generator) -> tuple[str, ...]:
        return tuple(self._word(draws) for _ in range(self.length))

    def _word(self, draws: np.random.Generator) -> str:
        return self.vocabulary[int(draws.integers(self.words))]

    def _prompt(self, visit: Visit) -> Prompt:
        return Prompt(visit.text, visit.text, {"action": visit.action, "domain": KINDS.index(visit.kind)})

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Visits, with the columns `action` and `domain`, the number of its kind."""
        return take_split(self._splits, split)

    def demonstration(self, prompt: Prompt) -> str:
        """The right action with a reason."""
        return written(prompt.columns["action"])

    def careless(self, prompt: Prompt, draws: np.random.Generator) -> str:
        """What a careless shopper does there."""
        action = dict(prompt.columns["action"])
        if action["type"] == "click" and draws.random() < LEAVES:
            action = {"type": "terminate"}
        for name in ("text",) if "text" in action else ("name",) if "name" in action else ():
            words = [self._word(draws) if draws.random() < self.slips else word for word in action[name].split()]
            action[name] = " ".join(words)
        return written(action)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 for the right action; the part `kind` is 1 where its type alone is right."""
        return [self._score(episode) for episode in episodes]

    def _score(self, episode: Episode) -> Score:
        output = object_of(episode.completion) or {}
        found = object_of(output.get("action")) or {}
        said = {name: told(value) for name, value in found.items()}
        right = episode.prompt.columns["action"]
        kind = said.get("type") == right["type"]
        exact = said == right and isinstance(output.get("rationale"), str)
        return Score(float(exact), {"kind": float(kind)}, right=exact)


def written(action: dict[str, str]) -> str:
    """A completion with this action, its tokens apart."""
    kind: Kind = next(one for one in KINDS if one == action["type"])
    parts = [HEAD, *REASONS[kind], ACTIONS[kind]]
    parts += [action["name"]] if "name" in action else []
    parts += [TEXT, action["text"]] if "text" in action else []
    return " ".join([*parts, SHORT_TAIL if kind == "terminate" else TAIL])


def base(task: PageActions, seed: int, steps: int = 500) -> Policy:
    """A model that has seen careless shoppers: 64 visits a step."""
    policy = tiny_policy([*FORM, *WORDS, *task.vocabulary], seed=seed, width=64, context=task.context, spaced=True)
    draws = rng(seed, "page-actions", "careless")
    prompts = task.prompts("train")
    chosen = [prompts[i] for i in draws.integers(len(prompts), size=64 * steps).tolist()]
    pairs = [(str(prompt.text), task.careless(prompt, draws)) for prompt in chosen]
    imitate(policy, pairs, steps=steps, batch=64, learning_rate=4e-3, seed=seed)
    return policy


WORLD = TextWorld(
    lambda seed: PageActions(data_seed=seed), base, max_tokens=PageActions().max_tokens, learning_rate=1e-3
)
