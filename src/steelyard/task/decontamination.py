"""Which prompts of training data stand among held-out prompts, or nearly: overlap by n-grams.

    m(h, x) = share of the words of h that stand in an n-gram which h and x have in common
    x overlaps with h where m(h, x) > 1/2, n = 8, or where both have the same words

h is a held-out prompt, x one to be trained on. Prompts are compared and completions are not; in a chat, what users say.
A prompt of fewer than n words has no n-gram: only a prompt of the same words overlaps with it.
Differs: words are runs of letters and digits, and single other signs, all in small letters, where the authors' tokens
are those of a tagger; single rows are left out, where they left out whole data sets whose loss did not matter.
Source: Lambert et al. 2024, arXiv:2411.15124, section 3.2.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from steelyard.task.base import Text

Words = tuple[str, ...]
Overlapping = Literal["equal", "near"]
_WORD = re.compile(r"\w+|[^\w\s]")


def words_of(text: Text) -> Words:
    """The words of a prompt, or of all that users say in a chat."""
    said = text if isinstance(text, str) else "\n".join(m["content"] for m in text if m["role"] == "user")
    return tuple(_WORD.findall(said.lower()))


class HeldOutIndex:
    """Held-out prompts, to be asked whether another prompt overlaps with one of them.

    Args:
        prompts: the held-out prompts.
        size: n, words of an n-gram.
        most: share of a held-out prompt's words that may stand in common n-grams; 1 leaves only equal prompts out.
    """

    def __init__(self, prompts: Iterable[Text], size: int = 8, most: float = 0.5) -> None:
        self._held: Sequence[Words] = [*dict.fromkeys(map(words_of, prompts))]
        self._whole = set(self._held)
        self._size = size
        self._most = most
        self._places: dict[Words, list[tuple[int, int]]] = defaultdict(list)
        for number, words in enumerate(self._held):
            for at, gram in self._grams(words):
                self._places[gram].append((number, at))

    def overlap(self, prompt: Text) -> Overlapping | None:
        """Whether a held-out prompt has the same words, or shares too many n-grams; None for neither."""
        words = words_of(prompt)
        if words in self._whole:
            return "equal"
        shared: dict[int, set[int]] = defaultdict(set)
        for gram in {gram for _, gram in self._grams(words)} & self._places.keys():
            for number, at in self._places[gram]:
                shared[number].update(range(at, at + self._size))
        near = any(len(places) > self._most * len(self._held[number]) for number, places in shared.items())
        return "near" if near else None

    def _grams(self, words: Words) -> Iterator[tuple[int, Words]]:
        """Where each n-gram begins, and its words."""
        return ((at, words[at : at + self._size]) for at in range(len(words) - self._size + 1))
