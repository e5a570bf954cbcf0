"""Draw the prompts in a seeded permutation, a new one each epoch: every prompt once per epoch.

    prompt at position k = permutation_e[k mod N],  e = k div N,  permutation_e a function of (seed, e) alone

N prompts in all. The permutations are counter-based, so the position is the whole state. No paper.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Int
from numpy import ndarray

from steelyard.core import Prompt, Trajectory, method, require, rng
from steelyard.core.json import JsonMapping


@method("shuffled")
@dataclass(frozen=True)
class Shuffled:
    """The shuffled order; it has no settings.

    >>> walk = Shuffled().open([Prompt(name, name) for name in "abcd"], seed=0)
    >>> walk.draw(4), walk.draw(4)
    ([2, 1, 3, 0], [1, 3, 0, 2])
    """

    def open(self, prompts: Sequence[Prompt], seed: int) -> "ShuffledWalk":
        """The live curriculum, at the first prompt of the first epoch.

        Raises:
            SteelyardError: there are no prompts.
        """
        return ShuffledWalk(len(prompts), seed)


class ShuffledWalk:
    """The live order: a position, and the permutation of its epoch."""

    def __init__(self, num_prompts_total: int, seed: int) -> None:
        require(
            num_prompts_total >= 1, "there are no prompts to draw", where="curriculum", hint="give the task prompts"
        )
        self._total = num_prompts_total
        self._seed = seed
        self._position = 0
        self._epoch = 0
        self._order_N = self._permutation(0)

    def draw(self, num_prompts: int) -> list[int]:
        """Indices of the next prompts, each from 0 to N - 1."""
        indices = [self._at(self._position + i) for i in range(num_prompts)]
        self._position += num_prompts
        return indices

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        """Do nothing: the order does not depend on rewards."""

    def state(self) -> Mapping[str, int]:
        """The number of prompts drawn so far, which is all that a resume needs."""
        return {"position": self._position}

    def restore(self, state: JsonMapping) -> None:
        """Continue from a `state`.

        Raises:
            SteelyardError: it is not a state of this curriculum.
        """
        position = state.get("position")
        require(
            isinstance(position, int) and position >= 0,
            f"position is {position!r}",
            where="curriculum state",
            hint="restore from a checkpoint of the same curriculum",
        )
        self._position = int(state["position"])

    def _at(self, position: int) -> int:
        epoch, place = divmod(position, self._total)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order_N = self._permutation(epoch)
        return int(self._order_N[place])

    def _permutation(self, epoch: int) -> Int[ndarray, "N"]:
        return rng(self._seed, "curriculum", epoch).permutation(self._total)
