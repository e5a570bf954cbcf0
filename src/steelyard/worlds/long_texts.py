"""Long texts whose class is told far from their beginning: what an encoder needs attention for.

    q3 w w k1=v0 w w w k3=v2 w ... k0=v3 w w     a question, fillers, and one pair for each of 4 keys; the class is 2

The first word asks for a key; that key's pair stands anywhere in the text, and its value, of 4, is the class. A pair is
one word, key and value together (16 of them). Values of the other keys are drawn alike, so who sees the first quarter
alone guesses where the pair is not in it:

    best score of the first quarter = 1/4 + 3/4 (T/4 - 1) / (T - 1) = 0.43 for T = 64

A sum of evidence word by word cannot tell which key was asked for: the first word has to meet another one far away.
A text has 64 words, or as many as asked for. `late` has its asked pair in the last quarter, `early` in the second
eighth.
Known exactly: the class, where the pair stands, and the best score of the first quarter.
For cards of attention and encoders (linear, blockwise and local attention, length extrapolation, masking).
Source: none, this world is ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from msgspec import Meta
from torch import Tensor
from torch.nn.functional import cross_entropy

from steelyard.core import checked, derive, rng
from steelyard.model.encoder import Encoder, EncoderSizes
from steelyard.worlds.labelled_world import Classifier, Examples, LabelledWorld

KEYS = 4
VALUES = 4
FILLERS = 8
PADDING = 0
QUESTIONS = 1
"""The token that asks for key 0; those of the other keys follow."""
PAIRS = QUESTIONS + KEYS
"""The token of key 0 with value 0; key k with value v is PAIRS + VALUES k + v."""
WORDS = PAIRS + KEYS * VALUES
"""The first filler."""
VOCABULARY = WORDS + FILLERS


@checked("long-texts")
@dataclass(frozen=True)
class LongTexts:
    """Texts of tokens with a question at the start and its answer anywhere."""

    length: Annotated[int, Meta(ge=32, le=4096)] = 64
    """Tokens of a text."""
    data_seed: int = 0
    """Of the texts."""

    def texts(self, split: str, number: int) -> Examples:
        """So many texts of a split: `train`, `held-out`, `early` or `late`."""
        draws = rng(self.data_seed, "long-texts", split)
        token_NT = WORDS + draws.integers(FILLERS, size=(number, self.length))
        asked_N = draws.integers(KEYS, size=number)
        value_NK = draws.integers(VALUES, size=(number, KEYS))
        token_NT[:, 0] = QUESTIONS + asked_N
        for row in range(number):
            places = 1 + draws.permutation(self.length - 1)[:KEYS]
            places[asked_N[row]] = self._place(split, places, int(asked_N[row]), draws)
            token_NT[row, places] = PAIRS + VALUES * np.arange(KEYS) + value_NK[row]
        label_N = value_NK[np.arange(number), asked_N]
        return Examples(torch.from_numpy(token_NT), torch.from_numpy(label_N), torch.zeros(number, dtype=torch.long))

    def _place(self, split: str, places: np.ndarray, asked: int, draws: np.random.Generator) -> int:
        """Where the asked pair stands: anywhere, or in a part of the text, where no other pair is."""
        part = {"early": (self.length // 8, self.length // 4), "late": (3 * self.length // 4, self.length)}.get(split)
        if part is None:
            return int(places[asked])
        others = {int(p) for i, p in enumerate(places) if i != asked}
        return int(draws.choice([p for p in range(*part) if p not in others]))


def fit_encoder(examples: Examples, classes: int, seed: int, *, steps: int = 400) -> Classifier:
    """A small encoder with full attention."""
    length = examples.input_NF.shape[1]
    sizes = EncoderSizes(VOCABULARY, num_labels=classes, hidden_size=32, intermediate_size=64, context_length=length)
    model = Encoder(sizes, seed=derive(seed, "encoder") % 2**31)
    adam = torch.optim.AdamW(model.parameters(), lr=5e-3)
    draws = rng(seed, "batches")
    for _ in range(steps):
        of = torch.from_numpy(draws.integers(len(examples.label_N), size=32))
        loss = cross_entropy(_logits(model, examples.input_NF[of]), examples.label_N[of])
        adam.zero_grad()
        loss.backward()
        adam.step()
    return lambda input_NF: torch.cat([_logits(model, part) for part in input_NF.split(128)])


def _logits(model: Encoder, token_NT: Tensor) -> Tensor:
    return model(token_NT, torch.ones_like(token_NT))


def splits(seed: int) -> Mapping[str, Examples]:
    """What a classifier is measured on."""
    world = LongTexts(data_seed=seed)
    numbers = {"train": 4000, "held-out": 512, "early": 256, "late": 256}
    return {split: world.texts(split, number) for split, number in numbers.items()}


WORLD = LabelledWorld(splits, fit=fit_encoder, reads_in_order=True)
