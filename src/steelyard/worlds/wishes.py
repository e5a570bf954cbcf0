"""Conversations in which the last turn says what is wanted, of what an earlier turn named, among much small talk.

    tavo duri chat7 blue                a mention: a place by one of its words, and a colour by which it is called on
    chat3 chat12 chat9                  small talk, of both sides
    rami nuve chat1 red                 another mention, which may never be called on
    besi chat4 blue                     the wish: a quality by one of its words, and whose it is
    wants price of harbour indeed       the summary: a quality and a place by their own names

A state is a place and a quality. Each has several words that mean it, of which a conversation uses any and a summary
only the own name. So two conversations that ask for the same may share no word that matters, and most words that they
share are small talk; and whoever weighs all turns alike cannot tell which of the places is asked about.

The new places are in no conversation of the training split, and have but one word, which summaries use too: what holds
there was learned of other places.
Known exactly: the state of each conversation, and its summary. For cards of retrieval and of dialogue states.
Source: none, this world is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from steelyard.core import PositiveInt, checked, rng
from steelyard.data.conversations import Conversation
from steelyard.worlds.facts import SYLLABLES

COLOURS = ("red", "blue", "green", "white", "black", "brown")
CHAT = tuple(f"chat{i}" for i in range(40))
CLOSES = ("now", "indeed", "please", "today")
Split = Literal["train", "pool", "held-out", "new-pool", "new"]


@checked("wishes")
@dataclass(frozen=True)
class Wishes:
    """Conversations about places and their qualities."""

    places: PositiveInt = 8
    """That conversations of the training split name."""
    new_places: PositiveInt = 4
    """That only the splits `new` and `new-pool` name."""
    qualities: PositiveInt = 6
    """Of each place."""
    words: PositiveInt = 4
    """That mean a place, or a quality."""
    mentions: Annotated[int, Meta(ge=1, le=len(COLOURS))] = 2
    """Places that a conversation names."""
    chatter: PositiveInt = 2
    """Turns of small talk before, between and after mentions, each."""
    data_seed: int = 0
    """Of the words and the conversations."""

    @cached_property
    def names(self) -> list[list[str]]:
        """The words of each place, of each new one, and of each quality; the first is its own name."""
        order = rng(self.data_seed, "wishes", "words").permutation(len(SYLLABLES) ** 2)
        every = iter([SYLLABLES[i // len(SYLLABLES)] + SYLLABLES[i % len(SYLLABLES)] for i in order.tolist()])
        sizes = [self.words] * self.places + [1] * self.new_places + [self.words] * self.qualities
        return [[next(every) for _ in range(size)] for size in sizes]

    @property
    def vocabulary(self) -> list[str]:
        """All words."""
        return [*(word for words in self.names for word in words), *COLOURS, *CHAT, *CLOSES, "wants", "of"]

    def conversations(self, split: Split, number: int) -> list[Conversation]:
        """So many conversations of a split."""
        draws = rng(self.data_seed, "wishes", split)
        fresh = split.startswith("new")
        known = np.arange(self.places, self.places + self.new_places) if fresh else np.arange(self.places)
        return [self._conversation(known, draws) for _ in range(number)]

    def _conversation(self, known: np.ndarray, draws: np.random.Generator) -> Conversation:
        chosen = draws.choice(known, self.mentions, replace=False).tolist()
        colours = draws.choice(COLOURS, self.mentions, replace=False).tolist()
        called = int(draws.integers(self.mentions))
        quality = int(draws.integers(self.qualities))
        turns: list[str] = []
        for place, colour in zip(chosen, colours, strict=True):
            turns += [self._chat(draws) for _ in range(draws.integers(self.chatter + 1))]
            turns.append(f"{draws.choice(self.names[place])} {draws.choice(CHAT)} {colour}")
        turns += [self._chat(draws) for _ in range(draws.integers(1, self.chatter + 1))]
        wish = self.names[self.places + self.new_places + quality]
        turns.append(f"{draws.choice(wish)} {draws.choice(CHAT)} {colours[called]}")
        place = self.names[chosen[called]]
        summary = f"wants {wish[0]} of {place[0]} {draws.choice(CLOSES)}"
        return Conversation(tuple(turns), summary, f"{wish[0]} of {place[0]}")

    def _chat(self, draws: np.random.Generator) -> str:
        return " ".join(draws.choice(CHAT, size=draws.integers(2, 5)).tolist())


def states(conversations: Sequence[Conversation]) -> np.ndarray:
    """The state of each conversation."""
    return np.array([one.state for one in conversations])
