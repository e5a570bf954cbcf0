"""The words of trajectories: whole texts, and a piece of text for each token."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from steelyard.core import SteelyardError, Trajectory
from steelyard.policy import loading, text
from steelyard.policy.text import Tokenizer

KEPT_CHARACTERS = 64_000_000
"""Of texts that were searched, so that they are not decoded again."""
_UNFINISHED = "\ufffd"
_LONGEST = 8
"""Tokens that a single character may take."""


class Texts:
    """Decodes with the tokenizer of a run's model; without it, token ids are shown.

    Args:
        directory: the run's.
        model: what the run's config names as its model.
    """

    def __init__(self, directory: Path, model: str) -> None:
        self._directory = directory
        self._model = model
        self._tokenizer: Tokenizer | None = None
        self._asked = False
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, str] = OrderedDict()
        self._characters = 0
        self.problem = ""
        """Why token ids are shown; empty where text is."""

    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer, loaded when it is first needed."""
        with self._lock:
            if not self._asked:
                self._asked = True
                self._load()
            return self._tokenizer

    def _load(self) -> None:
        trained = self._directory / "model"
        try:
            self._tokenizer = loading.load_tokenizer(str(trained) if trained.is_dir() else self._model)
        except SteelyardError as error:
            self.problem = str(error)

    def of_tokens(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        tokenizer = self.tokenizer()
        return text.decode(tokenizer, tokens) if tokenizer is not None else " ".join(map(str, tokens))

    def whole(self, seq: int, trajectory: Trajectory) -> str:
        """Prompt and completion of the trajectory with this number, for a search: without a difference of case."""
        found = self._kept.get(seq)
        if found is None:
            found = self.of_tokens(trajectory.tokens_T.tolist()).casefold()
            self._keep(seq, found)
        return found

    def known(self, seq: int) -> str | None:
        """What `whole` said of this trajectory, as long as it is kept."""
        return self._kept.get(seq)

    def forget(self) -> None:
        """Drop what is kept: the numbers name other trajectories now."""
        with self._lock:
            self._kept.clear()
            self._characters = 0

    def _keep(self, seq: int, found: str) -> None:
        with self._lock:
            self._kept[seq] = found
            self._characters += len(found)
            while self._characters > KEPT_CHARACTERS:
                self._characters -= len(self._kept.popitem(last=False)[1])

    def pieces(self, tokens: Sequence[int]) -> list[str]:
        """The text that each token adds; of tokens that make a character together, the last one has it."""
        tokenizer = self.tokenizer()
        if tokenizer is None:
            return [f"{token} " for token in tokens]
        return _pieces(tokenizer, list(tokens))


def _pieces(tokenizer: Tokenizer, tokens: list[int]) -> list[str]:
    pieces: list[str] = []
    before = begun = 0
    for end in range(1, len(tokens) + 1):
        known = tokenizer.decode(tokens[before:begun], clean_up_tokenization_spaces=False)
        longer = tokenizer.decode(tokens[before:end], clean_up_tokenization_spaces=False)
        if longer.endswith(_UNFINISHED) and end - begun < _LONGEST and end < len(tokens):
            pieces.append("")
            continue
        pieces.append(longer[len(known) :])
        before, begun = begun, end
    return pieces
