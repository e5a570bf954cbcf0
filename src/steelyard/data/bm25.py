"""BM25: how well a text answers a query by the rare words that they share.

    score(d; q) = sum over words w of q  idf(w) tf(w, d) / (tf(w, d) + k1 (1 - b + b |d| / mean length))
    idf(w)      = log(1 + (N - df(w) + 1/2) / (df(w) + 1/2))

tf(w, d) counts w in d, df(w) the texts that have w, |d| the words of d; a word that stands twice in q counts twice. It
is Lucene's form, whose factor of k1 + 1 is left out as Lucene leaves it out. A word is a run of letters, digits and
underscores, in lower case. N texts.
Source: Robertson and Zaragoza 2009, doi:10.1561/1500000019.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.core import NonNegative, PositiveInt, Share, checked, require

_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """The words of a text, in order."""
    return _WORD.findall(text.lower())


@checked("bm25")
@dataclass(frozen=True)
class BM25:
    """Settings of the score."""

    k1: NonNegative = 0.9
    """How slowly a word's further occurrences in a text cease to count; 0 counts whether it occurs."""
    b: Share = 0.4
    """How far the score is corrected for the length of a text: 0 not at all, 1 wholly."""

    def index(self, texts: Sequence[str], where: str = "bm25") -> "Index":
        """The texts, ready to be searched.

        Args:
            texts: what is searched.
            where: whence they are, for errors.

        Raises:
            SteelyardError: there are none.
        """
        require(len(texts) > 0, "there is nothing to search", where=where, hint="give at least one text")
        counts = [Counter(words_of(text)) for text in texts]
        length_N = np.array([sum(count.values()) for count in counts], np.float64)
        norm_N = self.k1 * (1 - self.b + self.b * length_N / max(float(length_N.mean()), 1.0))
        found: dict[str, tuple[list[int], list[int]]] = {}
        for place, count in enumerate(counts):
            for word, times in count.items():
                places, often = found.setdefault(word, ([], []))
                places.append(place)
                often.append(times)
        postings: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for word, (places, often) in found.items():
            at = np.array(places)
            tf = np.array(often, np.float64)
            idf = np.log1p((len(texts) - len(at) + 0.5) / (len(at) + 0.5))
            postings[word] = (at, idf * tf / (tf + norm_N[at]))
        return Index(tuple(texts), postings)


@dataclass(frozen=True)
class Index:
    """Texts that can be searched."""

    texts: tuple[str, ...]
    postings: dict[str, tuple[np.ndarray, np.ndarray]]
    """Word -> the places of the texts that have it, and what it adds to the score of each."""

    def scores(self, query: str) -> np.ndarray:
        """The score of every text, in order; 0 where it shares no word."""
        score_N = np.zeros(len(self.texts))
        for word, times in Counter(words_of(query)).items():
            if word in self.postings:
                at, weight = self.postings[word]
                score_N[at] += times * weight
        return score_N

    def best(self, query: str, number: PositiveInt) -> list[int]:
        """The places of so many texts with the highest scores, of equal ones the first; fewer where there are fewer."""
        return np.argsort(-self.scores(query), kind="stable")[:number].tolist()
