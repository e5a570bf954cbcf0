"""A guard small enough for a proof: a bag-of-words network.

    L = CE(harm(x), sigma(u . h(x))) + CE(words(z), sigma(U h(z))),    h a network of two hidden layers

x are texts with labels; z are texts with or without labels. The second term trains the trunk to reconstruct the words,
so it also represents words that no label covers, as a language model's trunk does. N texts, V words, D units of the
last hidden layer. No paper.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from steelyard.core import derive, rng
from steelyard.guard.base import Ruling
from steelyard.learner.fitting import Fitting


class BagGuard(nn.Module):
    """A guard that reads a text as a bag of words.

    Args:
        words: the vocabulary; other words are ignored.
        width: width of both hidden layers.
        seed: seed of the initial weights.
    """

    def __init__(self, words: Sequence[str], *, width: int, seed: int) -> None:
        super().__init__()
        self._places = {word: i for i, word in enumerate(words)}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "bag"))
            self.body = nn.Sequential(nn.Linear(len(words), width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
            self.head = nn.Linear(width, 1)
            self.back = nn.Linear(width, len(words))

    @property
    def words(self) -> tuple[str, ...]:
        """The vocabulary."""
        return tuple(self._places)

    @property
    def width(self) -> int:
        """D: units of the last hidden layer."""
        return self.head.in_features

    @property
    def num_parameters(self) -> int:
        """Numbers that a text costs one multiplication each, at most."""
        return sum(p.numel() for part in (self.body, self.head) for p in part.parameters())

    def bags(self, texts: Sequence[str]) -> Float[Tensor, "N V"]:
        """1 for each word that occurs in a text, else 0."""
        bags = torch.zeros(len(texts), len(self._places))
        for row, text in enumerate(texts):
            bags[row, [self._places[word] for word in text.split() if word in self._places]] = 1.0
        return bags

    def fit(
        self, texts: Sequence[str], harm_N: Bool[Tensor, "N"], unlabeled: Sequence[str], *, steps: int, seed: int
    ) -> "BagGuard":
        """Train with AdamW on labeled texts, and on further texts without labels; returns the guard itself."""
        self.begin(texts, harm_N, unlabeled, steps=steps, seed=seed).run()
        return self

    def begin(
        self, texts: Sequence[str], harm_N: Bool[Tensor, "N"], unlabeled: Sequence[str], *, steps: int, seed: int
    ) -> Fitting:
        """The training of `fit`, before its first step."""
        bags = self.bags(texts)
        plain = self.bags(unlabeled)
        harm = harm_N.float()
        draws = rng(seed, "bag")

        def loss() -> Tensor:
            of = torch.from_numpy(draws.integers(len(bags), size=128))
            any_of = torch.from_numpy(draws.integers(len(plain), size=128))
            told = binary_cross_entropy_with_logits(self.head(self.body(bags[of])).squeeze(-1), harm[of])
            return told + binary_cross_entropy_with_logits(self.back(self.body(plain[any_of])), plain[any_of])

        return Fitting(self, torch.optim.AdamW(self.parameters(), lr=3e-3, weight_decay=1e-2), loss, draws, steps)

    @torch.no_grad()
    def forward(self, texts: Sequence[str]) -> Ruling:
        """The rulings, with the activations of the last hidden layer."""
        state_ND = self.body(self.bags(texts))
        return Ruling(self.head(state_ND).squeeze(-1).sigmoid(), state_ND)


def f1(said_N: Bool[Tensor, "N"], harm_N: Bool[Tensor, "N"]) -> float:
    """F1 of harm: 2 true positives / (predicted + actual positives); 0 if there are neither."""
    return float(2 * (said_N & harm_N).sum() / (said_N.sum() + harm_N.sum()).clamp(min=1))
