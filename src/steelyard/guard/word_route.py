"""Routing by words: a bag-of-words network says of a text itself whether the small guard will be wrong on it.

    t(x)     = [small guard wrong on x] [large guard right on x]
    score(x) = sigma(u . h(x)),    h a network of two hidden layers over the words of x;  routed if score >= threshold

It needs no hidden state, so it routes for guards behind an interface, too. Texts of the rarer class are repeated until
both classes weigh alike. N texts. No paper; the target is that of SafeRoute (arXiv:2502.12464).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import PositiveInt, method, require
from steelyard.guard.bag import BagGuard
from steelyard.guard.base import needs_large
from steelyard.learner.fitting import Fitting


def vocabulary(texts: Sequence[str], size: int) -> list[str]:
    """The most frequent words of some texts; of equally frequent ones those that come first in the alphabet."""
    counts = Counter(word for text in texts for word in text.split())
    return [word for word, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:size]]


@dataclass(frozen=True)
class WordGate:
    """The fitted router."""

    bag: BagGuard
    threshold: float

    def score_texts(self, texts: Sequence[str]) -> Float[Tensor, "N"]:
        """The probability that a text needs the large guard."""
        return self.bag(texts).harm_N

    def routes_texts(self, texts: Sequence[str]) -> Bool[Tensor, "N"]:
        """True where the score reaches the threshold."""
        return self.score_texts(texts) >= self.threshold


@method("word-route")
@dataclass(frozen=True)
class WordRoute:
    """Settings of a router that reads the words of a text."""

    words: PositiveInt = 5000
    """Most frequent words that it knows."""
    width: PositiveInt = 64
    """Width of both hidden layers."""
    threshold: float = 0.5
    """Lowest score at which the large guard is called."""
    steps: PositiveInt = 300
    """Steps of AdamW, on 128 texts each."""

    def fit_texts(
        self, texts: Sequence[str], small_right_N: Bool[Tensor, "N"], large_right_N: Bool[Tensor, "N"], *, seed: int
    ) -> WordGate:
        """Fit a gate on texts that both guards have rated."""
        bag, fitting = self.begin_texts(texts, small_right_N, large_right_N, seed=seed)
        fitting.run()
        return WordGate(bag, self.threshold)

    def begin_texts(
        self, texts: Sequence[str], small_right_N: Bool[Tensor, "N"], large_right_N: Bool[Tensor, "N"], *, seed: int
    ) -> tuple[BagGuard, Fitting]:
        """The network, and its fit before the first step.

        Raises:
            SteelyardError: there are no texts.
        """
        require(len(texts) > 0, "there are no texts to learn from", where="word-route", hint="give some")
        target_N = needs_large(small_right_N, large_right_N)
        bag = BagGuard(vocabulary(texts, self.words), width=self.width, seed=seed)
        alike = _balanced(target_N)
        return bag, bag.begin([texts[i] for i in alike], target_N[alike], texts, steps=self.steps, seed=seed)


def _balanced(target_N: Bool[Tensor, "N"]) -> list[int]:
    """The examples' places, those of the rarer class repeated; of a single class each place once."""
    yes = target_N.nonzero().flatten().tolist()
    no = (~target_N).nonzero().flatten().tolist()
    few, many = sorted((yes, no), key=len)
    return sorted(many + few * (len(many) // len(few) if few else 0))
