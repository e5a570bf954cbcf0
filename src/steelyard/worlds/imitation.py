"""The learner that imitates: its rate rises over a warm-up and then falls linearly to a fiftieth."""

from steelyard.core import WarmupStableDecay
from steelyard.learner import Adam, Learner
from steelyard.objective import SFT, Objective
from steelyard.policy import Policy


def imitating(
    policy: Policy, learning_rate: float, *, warmup: int, steps: int, objective: Objective | None = None
) -> Learner:
    """A learner for so many steps, the warm-up among them.

    Args:
        policy: learns in place.
        learning_rate: the highest.
        warmup: steps over which the rate rises.
        steps: all of them.
        objective: SFT where None.
    """
    schedule = WarmupStableDecay(warmup=warmup, stable=0, decay=steps - warmup, floor=0.02)
    optimizer = Adam(beta2=0.98, weight_decay=0.01, schedule=schedule)
    return Learner(policy, objective or SFT(), optimizer, learning_rate=learning_rate)
