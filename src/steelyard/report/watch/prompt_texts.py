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

    def read(self, view: View, index: RowIndex, end: float) -> int:
        """Read prompts that are not known yet, until the moment `end`; returns how many are left.

        Raises:
            SteelyardError: the file is damaged.
        """
        numbers, places = np.unique(index.prompt_R, return_index=True)
        seqs = index.seq_R[places].tolist()
        unread = [
            (seq, index.names[number])
            for seq, number in zip(seqs, numbers.tolist(), strict=True)
            if index.names[number] not in self._known
        ]
        done = 0
        while done < len(unread) and (done == 0 or time.monotonic() < end):
            chunk = dict(unread[done : done + _CHUNK])
            for seq, trajectory in browse.bodies(view, [*chunk]).items():
                prompt = parts_of(trajectory)[0][:MOST_TOKENS]
                self._known[chunk[seq]] = self._texts.of_tokens(prompt).casefold()
            done += len(chunk)
        return len(unread) - done

    def having(self, part: str, index: RowIndex) -> frozenset[str]:
        """Ids of the prompts that were read and have `part` in their text, or in their id."""
        wanted = part.casefold()
        names = index.names.values()
        return frozenset(name for name in names if wanted in name.casefold() or wanted in self._known.get(name, ""))
