"""Hands out what to search next: the curriculum's prompts, and the next sample numbers of each.

A pair (prompt, sample) addresses the randomness of one sample, so it is handed out a second time only after it was
given back, because the searcher that had it died. What was given back goes out first, oldest first; fresh prompts fill
the batch up as far as whole prompts fit.

The samples of a prompt that are handed out together are a group. The curriculum is told of a group once, when the last
of it has come, in whatever pieces it comes; what a delivery repeats is not counted again.
"""

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from steelyard.core import Prompt, SteelyardError, Trajectory, from_bytes, require, to_bytes
from steelyard.core.copies import own_prompt, own_trajectory
from steelyard.runtime.run import Run
from steelyard.searcher import Assignment

Pair = tuple[int, int]
_HINT = "resume from a checkpoint of the same task and settings"


class _State(msgspec.Struct, forbid_unknown_fields=True):
    curriculum: dict[str, object]
    given: list[Pair]
    returned: list[Pair]
    groups: list["_GroupState"]


class _GroupState(msgspec.Struct, forbid_unknown_fields=True):
    prompt: int
    missing: list[int]
    found: list[str]


@dataclass
class _Group:
    """Samples of a prompt that were handed out together."""

    missing: dict[int, None]
    """Sample numbers that have not come, in order."""
    found: list[Trajectory] = field(default_factory=list)


class PromptScheduler:
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
                "has no training prompts", where="task", hint="give it more data, or a smaller held-out share"
            )
        self._curriculum = run.curriculum.open([own_prompt(prompt) for prompt in prompts], run.seed)
        self._num_total = len(prompts)
        self._num_prompts = run.search_prompts
        self._num_samples = run.samples_searched
        self._given: Counter[int] = Counter()
        # A dictionary for its order and its look-up: what is given back twice still goes out once.
        self._returned: dict[Assignment, None] = {}
        self._places = {prompt.id: i for i, prompt in enumerate(prompts)}
        self._group_of: dict[Pair, _Group] = {}

    def next(self) -> list[Assignment]:
        """The next searcher batch: at most search_prompts x samples_searched assignments, and at least one."""
        size = self._num_prompts * self._num_samples
        batch = list(self._returned)[:size]
        for assignment in batch:
            del self._returned[assignment]
        # A prompt is not cut in two: its samples are compared with each other, so they should be of one age.
        for prompt in self._curriculum.draw((size - len(batch)) // self._num_samples):
            first = self._given[prompt]
            samples = range(first, first + self._num_samples)
            batch += [Assignment(prompt, sample) for sample in samples]
            self._given[prompt] += self._num_samples
            group = _Group(dict.fromkeys(samples))
            self._group_of |= dict.fromkeys(((prompt, sample) for sample in samples), group)
        return batch

    def give_back(self, assignments: Iterable[Assignment]) -> None:
        """Take back what will not be delivered; it is handed out next, after what was given back before."""
        self._returned |= dict.fromkeys(assignments)

    def deliver(self, trajectories: Sequence[Trajectory]) -> None:
        """Scored trajectories have come, whether replay keeps them or not: tell the curriculum of groups now whole."""
        for trajectory in trajectories:
            self._settle(self._places[trajectory.prompt_id], trajectory.sample, [trajectory])

    def skip(self, pairs: Iterable[Pair]) -> None:
        """Never hand out these (prompt, sample) pairs: they are in the buffer already. Numbering goes on past them.

        The curriculum is told of their groups without them: what they came to is not known here any more.
        """
        for prompt, sample in pairs:
            self._returned.pop(Assignment(prompt, sample), None)
            self._given[prompt] = max(self._given[prompt], sample + 1)
            self._settle(prompt, sample, [])

    def skip_stored(self, pairs: Iterable[tuple[str, int]]) -> None:
        """`skip` for pairs of (prompt id, sample), as replay lists what it has taken in."""
        self.skip((self._places[prompt], sample) for prompt, sample in pairs)

    def assignment_of(self, trajectory: Trajectory) -> Assignment:
        """The assignment that a trajectory answers."""
        return Assignment(self._places[trajectory.prompt_id], trajectory.sample)

    def _settle(self, prompt: int, sample: int, found: list[Trajectory]) -> None:
        """This sample is no longer awaited; nothing happens where it was not."""
        group = self._group_of.pop((prompt, sample), None)
        if group is None:
            return
        del group.missing[sample]
        group.found += found
        if not group.missing:
            self._curriculum.observe([own_trajectory(t) for t in group.found])

    def state(self) -> dict[str, object]:
        """All that a resume needs, JSON-ready. What is out with searchers is not in it: give that back after `restore`.

        Then `skip` what has reached the buffer since.
        """
        returned = [(a.prompt, a.sample) for a in self._returned]
        return {
            "curriculum": dict(self._curriculum.state()),
            "given": sorted(self._given.items()),
            "returned": returned,
            "groups": [
                {
                    "prompt": prompt,
                    "missing": list(group.missing),
                    "found": [base64.b64encode(to_bytes(t)).decode() for t in group.found],
                }
                for (prompt, sample), group in self._group_of.items()
                if sample == next(iter(group.missing))
            ],
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """Go on from a `state`.

        Raises:
            SteelyardError: not a state of a scheduler over as many prompts.
        """
        try:
            kept = msgspec.convert(state, _State)
        except msgspec.ValidationError as error:
            raise SteelyardError(str(error), where="scheduler state", hint=_HINT) from error
        groups = [(group.prompt, _group(group)) for group in kept.groups]
        awaited = [(prompt, sample) for prompt, group in groups for sample in group.missing]
        for prompt, sample in kept.given + kept.returned + awaited:
            fits = 0 <= prompt < self._num_total and sample >= 0
            require(fits, f"({prompt}, {sample}) of {self._num_total} prompts", where="scheduler state", hint=_HINT)
        self._curriculum.restore(kept.curriculum)
        self._given = Counter(dict(kept.given))
        self._returned = {Assignment(*pair): None for pair in kept.returned}
        self._group_of = {(prompt, sample): group for prompt, group in groups for sample in group.missing}


def _group(state: _GroupState) -> _Group:
    try:
        found = [from_bytes(base64.b64decode(data, validate=True)) for data in state.found]
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise SteelyardError(f"a trajectory in it is damaged ({error})", where="scheduler state", hint=_HINT) from error
    return _Group(dict.fromkeys(state.missing), found)
