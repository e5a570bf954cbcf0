"""Hands out what to search next: the curriculum's prompts, and the next sample numbers of each.

A pair (prompt, sample) addresses the randomness of one sample, so it is handed out a second time only after it was
given back, because the searcher that had it died. What was given back goes out first, oldest first; fresh prompts fill
the batch up as far as whole prompts fit.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from steelyard.core import Prompt, SteelyardError, require
from steelyard.runtime.run import Run
from steelyard.searcher import Assignment

Pair = tuple[int, int]
_MEND = "resume from a checkpoint of the same task and settings"


class _State(msgspec.Struct, forbid_unknown_fields=True):
    curriculum: dict[str, Any]
    given: list[Pair]
    returned: list[Pair]


class Assigner:
    """The live source of assignments.

    Args:
        run: names the curriculum, the seed and the size of a searcher batch.
        prompts: the training prompts that assignments point into.

    Raises:
        SteelyardError: there are no prompts.
    """

    def __init__(self, run: Run, prompts: Sequence[Prompt]) -> None:
        if not prompts:
            raise SteelyardError(
                "has no training prompts", where="task", mend="give it more data, or a smaller held-out share"
            )
        self._curriculum = run.curriculum.open(len(prompts), run.seed)
        self._num_total, self._num_prompts, self._num_samples = len(prompts), run.search_prompts, run.num_generations
        self._given: Counter[int] = Counter()
        # A dictionary for its order and its look-up: what is given back twice still goes out once.
        self._returned: dict[Assignment, None] = {}

    def next(self) -> list[Assignment]:
        """The next searcher batch: at most search_prompts x num_generations assignments, and at least one."""
        size = self._num_prompts * self._num_samples
        batch = list(self._returned)[:size]
        for assignment in batch:
            del self._returned[assignment]
        # A prompt is not cut in two: its samples are compared with each other, so they should be of one age.
        for prompt in self._curriculum.draw((size - len(batch)) // self._num_samples):
            first = self._given[prompt]
            batch += [Assignment(prompt, first + i) for i in range(self._num_samples)]
            self._given[prompt] += self._num_samples
        return batch

    def give_back(self, assignments: Iterable[Assignment]) -> None:
        """Take back what will not be delivered; it is handed out next, after what was given back before."""
        self._returned |= dict.fromkeys(assignments)

    def skip(self, pairs: Iterable[Pair]) -> None:
        """Never hand out these (prompt, sample) pairs: they are in the buffer already. Numbering goes on past them."""
        for prompt, sample in pairs:
            self._returned.pop(Assignment(prompt, sample), None)
            self._given[prompt] = max(self._given[prompt], sample + 1)

    def state(self) -> dict[str, Any]:
        """All that a resume needs, JSON-ready. What is out with searchers is not in it: give that back after `restore`.

        Then `skip` what has reached the buffer since.
        """
        returned = [(a.prompt, a.sample) for a in self._returned]
        return {
            "curriculum": dict(self._curriculum.state()),
            "given": sorted(self._given.items()),
            "returned": returned,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`.

        Raises:
            SteelyardError: not a state of an assigner over as many prompts.
        """
        try:
            kept = msgspec.convert(state, _State)
        except msgspec.ValidationError as error:
            raise SteelyardError(str(error), where="assigner state", mend=_MEND) from error
        for prompt, sample in kept.given + kept.returned:
            fits = 0 <= prompt < self._num_total and sample >= 0
            require(fits, f"({prompt}, {sample}) of {self._num_total} prompts", where="assigner state", mend=_MEND)
        self._curriculum.restore(kept.curriculum)
        self._given = Counter(dict(kept.given))
        self._returned = {Assignment(*pair): None for pair in kept.returned}
