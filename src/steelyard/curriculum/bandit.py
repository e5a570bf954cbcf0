"""A bandit whose arms are domains: draws the arm with the highest index, and is paid by what its groups teach.

    reward of a group = mean_j |A_j|, in [0, 1]        A_j the group-normalised advantage of its sample j
    n_a = sum over the arm's groups of discount^age,   n = sum_a (n_a + pending_a)
    draw argmax_a index(mean_a, n_a + pending_a, n)

The age of a group is the number of groups told after it. A group that is being searched counts as a pull already, since
a batch is drawn before any of it is known. Ties go to the arm with the fewest pulls, so each arm is drawn once first.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import msgspec
import numpy as np
from jaxtyping import Float64

from steelyard.core import Prompt, SteelyardError, Trajectory, require
from steelyard.curriculum.arms import Arms

Array = Float64[np.ndarray, "..."]
HINT = "restore from a checkpoint of the same curriculum"
S = TypeVar("S")


def read_state(state: Mapping[str, Any], kind: type[S]) -> S:
    """A kept state as its struct.

    Raises:
        SteelyardError: not a state of this curriculum.
    """
    try:
        return msgspec.convert(state, kind)
    except msgspec.ValidationError as error:
        raise SteelyardError(str(error), where="curriculum state", hint=HINT) from error


@runtime_checkable
class Index(Protocol):
    """How much an arm may be worth."""

    def index(self, mean: Array, pulls: Array, time: float) -> Array:
        """The upper confidence bound of arms with these mean rewards after so many pulls (above 0) of all `time`."""
        ...


class _State(msgspec.Struct, forbid_unknown_fields=True):
    walked: list[int]
    pending: list[int]
    pulls: list[float]
    total: list[float]


class Bandit:
    """The live bandit.

    Args:
        prompts: what is drawn from, each with its column `domain`.
        seed: of the order of each domain's prompts.
        index: chooses the arm.
        discount: what each new group leaves of the weight of those before it; 1 forgets nothing.
    """

    def __init__(self, prompts: Sequence[Prompt], seed: int, index: Index, discount: float) -> None:
        self._arms = Arms(prompts, seed)
        self._index = index
        self._discount = discount
        self._pending_A = np.zeros(len(self._arms), np.int64)
        self._pulls_A = np.zeros(len(self._arms))
        self._total_A = np.zeros(len(self._arms))

    def draw(self, num_prompts: int) -> list[int]:
        """Indices of the next prompts."""
        return [self._arms.next(self._choose()) for _ in range(num_prompts)]

    def _choose(self) -> int:
        pulls_A = self._pulls_A + self._pending_A
        known_A = self._pulls_A > 0
        mean_A = np.where(known_A, self._total_A / np.where(known_A, self._pulls_A, 1.0), 1.0)
        index_A = self._index.index(mean_A, np.maximum(pulls_A, 1e-9), max(float(pulls_A.sum()), 1.0))
        index_A = np.where(known_A, index_A, np.inf)  # nothing is known: nothing is ruled out
        arm = min(range(len(self._arms)), key=lambda a: (-index_A[a], pulls_A[a]))
        self._pending_A[arm] += 1
        return arm

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        """Count each prompt's samples as one pull; without a single reward, as none."""
        for arm, size_G in self._arms.groups(trajectories):
            self._pending_A[arm] = max(self._pending_A[arm] - 1, 0)
            if len(size_G):
                self._pulls_A *= self._discount
                self._total_A *= self._discount
                self._pulls_A[arm] += 1
                self._total_A[arm] += size_G.mean()

    def state(self) -> Mapping[str, Any]:
        """Pulls, rewards, what is being searched, and how far each arm's prompts are walked."""
        lists = {"pending": self._pending_A, "pulls": self._pulls_A, "total": self._total_A}
        return {"walked": self._arms.state(), **{name: value.tolist() for name, value in lists.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`.

        Raises:
            SteelyardError: not a state of this curriculum.
        """
        kept = read_state(state, _State)
        self._arms.restore(kept.walked)
        right = all(len(x) == len(self._arms) for x in (kept.pending, kept.pulls, kept.total))
        require(right, "its lists have not one length", where="curriculum state", hint=HINT)
        self._pending_A = np.array(kept.pending, np.int64)
        self._pulls_A = np.array(kept.pulls, np.float64)
        self._total_A = np.array(kept.total, np.float64)
