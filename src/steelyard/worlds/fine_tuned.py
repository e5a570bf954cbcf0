"""A copy of a policy, fine-tuned on given groups that are drawn with replacement: for arms on built data."""

from collections.abc import Sequence

import numpy as np

from steelyard.core import Group
from steelyard.learner import Adam, Learner
from steelyard.objective import Objective
from steelyard.policy import Policy
from steelyard.policy.copied import copied


def fine_tuned(
    start: Policy,
    objective: Objective,
    groups: Sequence[Group],
    draws: np.random.Generator,
    *,
    steps: int,
    batch: int,
    learning_rate: float,
) -> Policy:
    """The policy after so many steps, each on `batch` groups; `start` stays as it is."""
    learner = Learner(copied(start), objective, Adam(), learning_rate=learning_rate)
    for _ in range(steps):
        learner.step([groups[i] for i in draws.integers(len(groups), size=batch)])
    return learner.policy
