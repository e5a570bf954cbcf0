"""A bandit whose arms are domains. It draws the arm with the highest index; its reward is the learning signal.

    reward of a group = mean_j |A_j|, in [0, 1]        A_j the group-normalized advantage of its sample j
    n_a = sum over the arm's groups of discount^age,   n = sum_a (n_a + pending_a)
    draw argmax_a index(mean_a, n_a + pending_a, n)

The age of a group is the number of groups observed after it. A group that is still being sampled counts as a pull,
because a batch is drawn before any of its rewards are known. Ties go to the arm with the fewest pulls, so every arm is
drawn once first.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar, runtime_checkable

import msgspec
import numpy as np
from jaxtyping import Float64

from steelyard.core import Prompt, SteelyardError, Trajectory, require
from steelyard.core.json import JsonMapping
from steelyard.curriculum.arms import Arms

Array = Float64[np.ndarray, "..."]
HINT = "restore from a checkpoint of the same curriculum"
S = TypeVar("S")


def read_state(state: JsonMapping, kind: type[S]) -> S:
    """Decode a saved state.

    Raises:
        SteelyardError: it is not a state of this curriculum.
    """
    try:
        return msgspec.convert(state, kind)
    except msgspec.ValidationError as error:
        raise SteelyardError(str(error), where="curriculum state", hint=HINT) from error


@runtime_checkable
class Index(Protocol):
    """A rule for the upper confidence bound of an arm."""

    def index(self, mean: Array, pulls: Array, time: float) -> Array:
        """The upper confidence bounds of arms with these mean rewards and numbers of pulls, of `time` pulls in all."""
        ...


class _State(msgspec.Struct, forbid_unknown_fields=True):
    walked: list[int]
    pending: list[int]
    pulls: list[float]
    total: list[float]


class Bandit:
    """The live bandit.

    Args:
        prompts: the prompts to draw from, each with a domain.
        seed: seed of the order of each domain's prompts.
        index: the rule that ranks the arms.
        discount: factor by which each new group lowers the weight of earlier ones; 1 is no discount.
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
        index_A = np.where(known_A, index_A, np.inf)  # an arm without observations comes first
        arm = min(range(len(self._arms)), key=lambda a: (-index_A[a], pulls_A[a]))
        self._pending_A[arm] += 1
        return arm

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        """Count each prompt's samples as one pull; a prompt whose samples all lack a reward does not count."""
        for arm, advantage_G in self._arms.groups(trajectories):
            self._pending_A[arm] = max(self._pending_A[arm] - 1, 0)
            if len(advantage_G):
                self._pulls_A *= self._discount
                self._total_A *= self._discount
                self._pulls_A[arm] += 1
                self._total_A[arm] += advantage_G.mean()

    def state(self) -> JsonMapping:
        """Pulls, rewards, groups being sampled, and the position in each arm's prompts."""
        lists = {"pending": self._pending_A, "pulls": self._pulls_A, "total": self._total_A}
        return {"walked": self._arms.state(), **{name: value.tolist() for name, value in lists.items()}}

    def restore(self, state: JsonMapping) -> None:
        """Continue from a `state`.

        Raises:
            SteelyardError: it is not a state of this curriculum.
        """
        kept = read_state(state, _State)
        self._arms.restore(kept.walked)
        right = all(len(x) == len(self._arms) for x in (kept.pending, kept.pulls, kept.total))
        require(right, "its lists differ in length", where="curriculum state", hint=HINT)
        self._pending_A = np.array(kept.pending, np.int64)
        self._pulls_A = np.array(kept.pulls, np.float64)
        self._total_A = np.array(kept.total, np.float64)
