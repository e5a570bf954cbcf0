"""What the prompts of a buffer say, each read once: an id is often a hash, so a filter by prompt looks at the text."""

import time

import numpy as np

from steelyard.replay import browse
from steelyard.replay.inspect import View
from steelyard.replay.row_index import RowIndex
from steelyard.report.watch.episode import parts_of
from steelyard.report.watch.texts import Texts

MOST_TOKENS = 2000
"""Tokens of a prompt that are looked at, from its begin."""
_CHUNK = 64


class PromptTexts:
    """Texts of prompts by id, without a difference of case. An id names the same prompt for ever.

    Args:
        texts: of the run.
    """

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._known: dict[str, str] = {}
        self._unread: list[tuple[int, str]] = []
        self._position: int | None = None
        """Of the index, when `_unread` was made."""

    def read(self, view: View, index: RowIndex, end: float) -> int:
        """Read prompts that are not known yet, until the moment `end`; returns how many are left.

        Raises:
            SteelyardError: the file is damaged.
        """
        if index.position != self._position:
            self._unread = self._new(index)
            self._position = index.position
        done = 0
        while done < len(self._unread) and (done == 0 or time.monotonic() < end):
            chunk = dict(self._unread[done : done + _CHUNK])
            for seq, trajectory in browse.bodies(view, [*chunk]).items():
                prompt = parts_of(trajectory)[0][:MOST_TOKENS]
                self._known[chunk[seq]] = self._texts.of_tokens(prompt).casefold()
            done += len(chunk)
        del self._unread[:done]
        return len(self._unread)

    def _new(self, index: RowIndex) -> list[tuple[int, str]]:
        """The first row of each prompt that is not known, and the prompt's id."""
        unknown = [number for number, name in index.names.items() if name not in self._known]
        if not unknown:
            return []
        (row_U,) = np.isin(index.prompt_R, unknown).nonzero()
        numbers, places = np.unique(index.prompt_R[row_U], return_index=True)
        seqs = index.seq_R[row_U[places]].tolist()
        return [(seq, index.names[number]) for seq, number in zip(seqs, numbers.tolist(), strict=True)]

    def having(self, part: str, index: RowIndex) -> frozenset[str]:
        """Ids of the prompts that were read and have `part` in their text, or in their id."""
        wanted = part.casefold()
        names = index.names.values()
        return frozenset(name for name in names if wanted in name.casefold() or wanted in self._known.get(name, ""))
