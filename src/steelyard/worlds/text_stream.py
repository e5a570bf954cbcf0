"""A stream of short texts for a guard: one in twenty is harmful, and new ways to be harmful appear over time.

    w7 w31 w2 ... w60 w63        everyday words (w0 to w59); a harmful text also has two words of one intent

There are 10 intents with six words each. How often a harmful text has intent k falls by Zipf's law, P(k) ~ 1/k. The
first five are there from the start, the others appear one after another in the second half of the stream. One word of
an intent alone is harmless, and three texts of ten have one. The small group, one speaker in ten, marks its texts with
a word of its own, and half of them have two words of intent 0 that it uses every day: there, two are harmless. All
words are made up.

    P(harmful) = 0.05,    harmful: two words of one intent, and not the small group's two

`late` is the second half, of which training knows nothing; held-out texts are of the first half.
Known exactly: the class, by a rule (`rule`), the intent and when it appeared.
For cards of guards: imbalance, drift, rare groups, few labels, detection of what is new.
Source: none, this world is ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from msgspec import Meta

from steelyard.core import Share, checked, rng
from steelyard.worlds.labelled_world import Examples, LabelledWorld

EVERYDAY = 60
INTENTS = 10
KNOWN = 5
"""Intents that are there from the start."""
WORDS_OF_EACH = 6
SLANG = 3
"""Words of intent 0, its first, that the small group uses every day."""
LENGTH = 12
ACCENT = EVERYDAY + INTENTS * WORDS_OF_EACH
"""The word that marks the texts of the small group."""
VOCABULARY = ACCENT + 1


@dataclass(frozen=True)
class Message:
    """One text of the stream."""

    words: tuple[int, ...]
    """Places in the vocabulary."""
    intent: int | None
    """Of a harmful text; None of a harmless one."""
    group: int
    """1 for the small group."""


@checked("text-stream")
@dataclass(frozen=True)
class TextStream:
    """Short texts in the order in which they came, a few of them harmful."""

    number: Annotated[int, Meta(ge=100, le=100_000)] = 12_000
    """Texts of the stream."""
    harmful: Share = 0.05
    """Share of harmful texts."""
    small_group: Share = 0.1
    """Share of the texts that the small group writes."""
    data_seed: int = 0
    """Of the texts."""

    def messages(self) -> list[Message]:
        """The stream, in order."""
        draws = rng(self.data_seed, "text-stream")
        return [self._message(i / self.number, draws) for i in range(self.number)]

    def _message(self, time: float, draws: np.random.Generator) -> Message:
        words = draws.integers(EVERYDAY, size=LENGTH)
        place = draws.permutation(LENGTH)
        group = int(draws.random() < self.small_group)
        rate = 1 / np.arange(1, appeared(time) + 1)
        intent = int(draws.choice(len(rate), p=rate / rate.sum()))
        harmful = bool(draws.random() < self.harmful)
        own = words_of(intent, SLANG if group and intent == 0 else 0, draws)
        if harmful:
            words[place[:2]] = own
        elif group and draws.random() < 0.5:
            words[place[:2]] = EVERYDAY + draws.permutation(SLANG)[:2]
        elif draws.random() < 0.3:
            words[place[0]] = own[0]
        if group:
            words[place[2]] = ACCENT
        return Message(tuple(words.tolist()), intent if harmful else None, group)


def appeared(time: float) -> int:
    """How many intents there are at a time from 0 to 1."""
    return KNOWN if time < 0.5 else KNOWN + 1 + int((time - 0.5) * 2 * (INTENTS - KNOWN))


def words_of(intent: int, first: int, draws: np.random.Generator) -> np.ndarray:
    """Two different words of an intent, none of those before its word number `first`."""
    return EVERYDAY + WORDS_OF_EACH * intent + first + draws.permutation(WORDS_OF_EACH - first)[:2]


def rule(words: Sequence[int]) -> bool:
    """Whether a text is harmful."""
    found: dict[int, set[int]] = {}
    for word in words:
        if EVERYDAY <= word < ACCENT:
            intent, number = divmod(word - EVERYDAY, WORDS_OF_EACH)
            found.setdefault(intent, set()).add(number)
    if ACCENT in words and max(found.get(0, {0})) < SLANG:
        found.pop(0, None)
    return any(len(numbers) == 2 for numbers in found.values())


def bags(messages: list[Message]) -> Examples:
    """The texts as counts of words; the class is 1 where a text is harmful."""
    count_NV = np.stack([np.bincount(m.words, minlength=VOCABULARY) for m in messages])
    return Examples(
        torch.from_numpy(count_NV).float(),
        torch.tensor([int(m.intent is not None) for m in messages]),
        torch.tensor([m.group for m in messages]),
    )


def splits(seed: int) -> Mapping[str, Examples]:
    """What a classifier is measured on: every fourth text of the first half is held out."""
    stream = TextStream(data_seed=seed).messages()
    early = stream[: len(stream) // 2]
    train = [m for i, m in enumerate(early) if i % 4]
    return {"train": bags(train), "held-out": bags(early[::4]), "late": bags(stream[len(stream) // 2 :])}


WORLD = LabelledWorld(splits)
