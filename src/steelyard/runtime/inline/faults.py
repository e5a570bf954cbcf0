"""What goes wrong in an inline run, and how often: drawn from the run's seed, so that a fault can be repeated."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from steelyard.core import Share, Trajectory, checked, rng

Fault = Literal["crash", "hang", "lose", "corrupt", "verifier"]


@checked("inline.faults")
@dataclass(frozen=True)
class Faults:
    """Chances of faults that the inline runtime injects, each from 0 to 1."""

    crash: Share = 0.0
    """A searcher dies before it delivers its batch, and is started again."""
    hang: Share = 0.0
    """A searcher falls silent; it is killed at its deadline and started again."""
    lose: Share = 0.0
    """A publication of weights never becomes visible."""
    corrupt: Share = 0.0
    """A batch arrives under a digest that is not its weights'."""
    verifier: Share = 0.0
    """The verifier fails on a trajectory."""

    def strikes(self, fault: Fault, seed: int, *address: int) -> bool:
        """Whether `fault` strikes at `address`: a batch, a publication, or a trajectory of a batch.

        Every kind of fault has draws of its own, so to raise one chance moves no other fault.
        """
        chance = getattr(self, fault)
        return chance > 0 and rng(seed, "fault", fault, *address).random() < chance

    def spoil(self, found: Sequence[Trajectory], seed: int, batch: int) -> list[Trajectory]:
        """A searcher's batch as it arrives: some without a reward, or all under a digest that names no weights."""
        failed = [
            t.replace(reward=None, reward_parts={}, info={**t.info, "error": "injected verifier fault"})
            if self.strikes("verifier", seed, batch, place)
            else t
            for place, t in enumerate(found)
        ]
        if not self.strikes("corrupt", seed, batch):
            return failed
        return [t.replace(digest=f"not-{t.digest}") for t in failed]


def moment(seed: int, batch: int) -> float:
    """How far into its batch a searcher dies, as a share from 0 to 1."""
    return float(rng(seed, "fault", "moment", batch).random())
