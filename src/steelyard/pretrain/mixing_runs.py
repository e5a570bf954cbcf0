"""Short runs of a proxy under drawn shares: what a mixing agent is fitted on.

    a_0 ~ Dirichlet(1, ..., 1),    a_t = (1 - drift) a_{t-1} + drift b_t,    b_t ~ Dirichlet(1, ..., 1)

Each run begins with the proxy as it is, trains on so many rows a round, drawn by a_t, and measures the loss of every
domain on validation rows before the first round and after each. With a drift of 1 the rounds of a run have nothing in
common, and all runs come to the same. The paper's way to draw shares is not confirmed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from steelyard.core import Prompt, Trajectory, derive, rng
from steelyard.curriculum.arms import Arms, pick
from steelyard.curriculum.skill_graph import Losses
from steelyard.learner import Learner
from steelyard.policy import Policy
from steelyard.pretrain.mixing_fit import MixedRun


@dataclass(frozen=True)
class Proxies:
    """What short runs have in common."""

    learner: Callable[[], Learner]
    """Makes a learner from the proxy as it is."""
    prompts: Sequence[Prompt]
    """Of the training rows, each with its domain."""
    rows: Sequence[Trajectory]
    """The training rows, in the order of the prompts."""
    losses: Callable[[Policy], Losses]
    """The loss of each domain on validation rows, in the order of the domains' numbers."""
    rounds: int
    """Rounds of a run."""
    steps: int
    """Learner steps of a round."""
    batch_size: int
    """Rows in a step."""
    drift: float
    """Share of a round's shares that is drawn anew."""
    seed: int
    """Of the shares and of the rows."""

    def run(self, number: int) -> MixedRun:
        """The run of a number: a function of it and of the seed."""
        seed = derive(self.seed, "proxy", number)
        arms = Arms(self.prompts, seed)
        shares = drawn_shares(len(arms), self.rounds, self.drift, rng(seed, "shares"))
        draws = rng(seed, "rows")
        learner = self.learner()
        losses = [self.losses(learner.policy).tolist()]
        for share_D in shares:
            for _ in range(self.steps):
                turn = [arms.next(pick(share_D, float(u))) for u in draws.random(self.batch_size)]
                learner.step([[self.rows[i]] for i in turn])
            losses.append(self.losses(learner.policy).tolist())
        return MixedRun([share_D.tolist() for share_D in shares], losses)


def drawn_shares(domains: int, rounds: int, drift: float, draws: np.random.Generator) -> list[Float64[np.ndarray, "D"]]:
    """The shares of each round."""
    found = [draws.dirichlet(np.ones(domains))]
    for _ in range(rounds - 1):
        found.append((1 - drift) * found[-1] + drift * draws.dirichlet(np.ones(domains)))
    return found
