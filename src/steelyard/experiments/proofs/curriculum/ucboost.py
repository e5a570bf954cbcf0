"""UCBoost on Bernoulli arms: less regret than UCB1, near kl-UCB's, at a fraction of its work.

Nine arms, once with rare rewards (the best pays 0.1) and once with frequent ones (the best pays 0.95). A seed is many
replications, side by side; the n-th pull of an arm pays the same in every bandit. Regret is what the best arm would
have paid more, in expectation, after all rounds: the mean over replications. Bandits: UCB1 as published; UCB1 with its
smallest sound constant (D = {sq}); UCBoost(D) with D = {bq, h, lb}; UCBoost(eps = 0.01); kl-UCB by bisection; and the
control, UCBoost without its bonus, which plays the best mean so far. `us`, for information: microseconds per index.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from steelyard.core import rng
from steelyard.curriculum import UCB1, UCBoost
from steelyard.curriculum.bandit import Array, Index
from steelyard.experiments.harness import Arm, Claim, Proof

WORLDS = {
    "rare": (0.1, 0.05, 0.05, 0.05, 0.02, 0.02, 0.02, 0.01, 0.01),
    "frequent": (0.95, 0.9, 0.9, 0.9, 0.87, 0.87, 0.87, 0.85, 0.85),
}


class Greedy:
    """No bonus."""

    def index(self, mean: Array, pulls: Array, time: float) -> Array:
        """The mean."""
        return mean


BANDITS: Mapping[str, Index] = {
    "ucb1-published": UCB1(),
    "ucb1": UCBoost(distances=("sq",)),
    "ucboost": UCBoost(),
    "ucboost-eps": UCBoost(distances=("sq", "lb"), eps=0.01),
    "kl-ucb": UCBoost(distances=("kl",)),
    "ucboost-off": Greedy(),
}


@dataclass(frozen=True)
class Setting:
    """What all bandits have in common."""

    replications: int = 100
    rounds: int = 10_000


def play(bandit: Index, means: tuple[float, ...], pays_RKT: np.ndarray) -> tuple[float, float]:
    """Mean regret after T rounds, and microseconds per index; R replications, K arms, each played once first."""
    R, K, T = pays_RKT.shape
    rows = np.arange(R)
    best = max(means)
    pulls_RK: Float64[np.ndarray, "R K"] = np.ones((R, K))
    total_RK = pays_RKT[:, :, 0].astype(np.float64)
    spent = 0.0
    for now in range(K, T):
        began = time.perf_counter()
        index_RK = bandit.index(total_RK / pulls_RK, pulls_RK, float(now))
        spent += time.perf_counter() - began
        arm_R = (index_RK - 1e-9 * pulls_RK).argmax(1)  # of equal indices, the one with fewer pulls
        total_RK[rows, arm_R] += pays_RKT[rows, arm_R, pulls_RK[rows, arm_R].astype(int)]
        pulls_RK[rows, arm_R] += 1
    return float(((best - np.array(means)) * pulls_RK).sum(1).mean()), spent / (T - K) / R / K * 1e6


def drawn(seed: int, world: str, setting: Setting) -> np.ndarray:
    """What each arm pays at each pull, in every replication."""
    means = np.array(WORLDS[world], np.float32)
    draws = rng(seed, "pays", world).random((setting.replications, len(means), setting.rounds), np.float32)
    return draws < means[:, None]


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Index]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Each bandit on the same pays."""
    pays = {name: drawn(seed, name, setting) for name in WORLDS}
    for arm in arms:
        played = {name: play(arm.settings, means, pays[name]) for name, means in WORLDS.items()}
        regrets = {f"regret-{name}": regret for name, (regret, _) in played.items()}
        yield arm.name, {**regrets, "us": sum(us for _, us in played.values()) / len(played)}


PROOF = Proof(
    proves=("ucboost",),
    ours="ucboost",
    control="ucboost-off",
    equal="arms, rounds, replications, and what the n-th pull of each arm pays",
    claims=(
        *(
            Claim(f"UCBoost(D) has 30 % less regret than UCB1 where rewards are {world}", f"regret-{world}",
                  baseline="ucb1", min_effect=0.3, lower_is_better=True, relative=True)
            for world in WORLDS
        ),
        *(
            Claim(f"UCBoost(eps) has 10 % less regret than UCBoost(D) where rewards are {world}", f"regret-{world}",
                  baseline="ucboost", min_effect=0.1, lower_is_better=True, relative=True, ours="ucboost-eps")
            for world in WORLDS
        ),
        *(
            Claim(f"UCBoost(eps) is within 15 % of kl-UCB where rewards are {world}", f"regret-{world}",
                  baseline="kl-ucb", min_effect=-0.15, lower_is_better=True, relative=True, ours="ucboost-eps",
                  control="ucboost-off")
            for world in WORLDS
        ),
    ),
    measure=measure,
    arms=BANDITS,
    setting=Setting(),
    quick=Setting(replications=40, rounds=2000),
)  # fmt: skip
