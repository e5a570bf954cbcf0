"""Opinions of three clauses, some of them negated: what a bag of words cannot read, and short runs of words can.

    thing12 not very quality7 , thing3 quality30 , thing40 hardly quality2       three things, each with a quality

A quality is good or bad, half of them either. One of 4 negations before it turns it around, with or without one of 3
degrees in between, which change nothing; a clause has a negation in two cases of five, a degree in half. The class is
1, praise, where most of the three clauses are good. Words are all made up of a kind and a number.

    clause good = [quality is good] xor [a negation stands before it],    class = [at least 2 of 3 clauses are good]

Who counts words knows how many negations there are and which qualities, and not which quality is negated. A negation
and a quality make 4 x 24 runs of two words, and 4 x 3 x 24 of three with a degree between them.
Known exactly: the class, by a rule (`praise`), and which texts are `turned`, of the other class without negations.
For cards of guards and small classifiers: n-grams, distillation, compositional words.
Source: none, this world is ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from msgspec import Meta
from torch import Tensor

from steelyard.core import Share, checked, rng
from steelyard.worlds.labelled_world import Classifier, Examples, LabelledWorld, fit_linear

CLAUSES = 3
KINDS: Mapping[str, int] = {"none": 1, "thing": 12, "quality": 24, "negation": 4, "degree": 3}
"""How many words there are of each kind; the one of `none` fills what a clause does not have."""
FIRST = dict(zip(KINDS, np.cumsum([0, *KINDS.values()]).tolist(), strict=False))
"""The place of the first word of each kind in the vocabulary."""
VOCABULARY = sum(KINDS.values())
GOOD = KINDS["quality"] // 2
"""Qualities below this number are good."""


@checked("negation")
@dataclass(frozen=True)
class Negation:
    """Opinions of three clauses."""

    negated: Share = 0.4
    """Share of the clauses with a negation."""
    degrees: Share = 0.5
    """Share of the clauses with a degree."""
    data_seed: int = 0
    """Of the texts."""

    def draw(self, split: str, number: Annotated[int, Meta(ge=1)]) -> Examples:
        """So many texts of a split: tokens of a clause are thing, negation, degree, quality; 0 where there is none.

        The group is 1 where the negations turn the class around.
        """
        draws = rng(self.data_seed, "negation", split)
        shape = (number, CLAUSES)
        word = {kind: FIRST[kind] + draws.integers(many, size=shape) for kind, many in KINDS.items()}
        negated_NC = draws.random(shape) < self.negated
        degree_NC = draws.random(shape) < self.degrees
        clause = (word["thing"], word["negation"] * negated_NC, word["degree"] * degree_NC, word["quality"])
        good_NC = word["quality"] - FIRST["quality"] < GOOD
        label_N = (good_NC ^ negated_NC).sum(1) * 2 > CLAUSES
        turned_N = label_N != (good_NC.sum(1) * 2 > CLAUSES)
        token_NT = np.stack(clause, -1).reshape(number, -1)
        return Examples(*(torch.from_numpy(np.asarray(x, np.int64)) for x in (token_NT, label_N, turned_N)))


def texts(examples: Examples) -> list[str]:
    """The examples as words with spaces between them."""
    words = [f"{kind}{i}" for kind, many in KINDS.items() for i in range(many)]
    return [" ".join(words[token] for token in row if token) for row in examples.input_NF.tolist()]


def praise(text: str) -> bool:
    """Whether a text is praise, by the rule."""
    good, negated = 0, False
    for word in text.split():
        if word.startswith("quality"):
            good += (int(word.removeprefix("quality")) < GOOD) != negated
        negated = word.startswith("negation") or (negated and word.startswith("degree"))
    return good * 2 > CLAUSES


def fit_clauses(examples: Examples, classes: int, seed: int) -> Classifier:
    """Softmax regression on words, where a quality after a negation is another word: it can read the rule."""
    linear = fit_linear(Examples(_read(examples.input_NF), examples.label_N, examples.group_N), classes, seed)
    return lambda input_NF: linear(_read(input_NF))


def _read(token_NT: Tensor) -> Tensor:
    counts = torch.zeros(len(token_NT), 2 * VOCABULARY)
    for clause_N4 in token_NT.split(4, 1):
        quality_N1 = clause_N4[:, 3:] + VOCABULARY * (clause_N4[:, 1:2] > 0)
        counts.scatter_add_(1, torch.cat([clause_N4[:, :3], quality_N1], 1), torch.ones(len(token_NT), 4))
    return counts


def splits(seed: int) -> Mapping[str, Examples]:
    """What a classifier is measured on; `turned` are held-out texts whose class negations turn around."""
    world = Negation(data_seed=seed)
    held_out = world.draw("held-out", 4000)
    turned = held_out.take(torch.nonzero(held_out.group_N)[:, 0])
    plain = Examples(held_out.input_NF, held_out.label_N, torch.zeros_like(held_out.group_N))
    return {"train": world.draw("train", 4000), "held-out": plain, "turned": turned}


WORLD = LabelledWorld(splits, fit=fit_clauses, reads_in_order=True)


def labelled(examples: Examples) -> tuple[list[str], Tensor]:
    """The texts, and which of them are praise."""
    return texts(examples), examples.label_N.bool()
