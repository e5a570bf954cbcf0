"""Worlds of control: a system, and what is known of it exactly; measured by PPO beside chance and the optimum.

Arms of a seed, each played for 100 episodes:

    base       any action alike
    ppo        PPO (`control.ControlPPO`), learned on the system
    late       PPO on the system seen three steps late, played likewise
    calm       PPO on the system without noise, played there: how much chance matters

Measured: `score`, the mean return; `cost`, the mean cost of an episode; `violations`, the share of episodes with a
cost; `best`, the best return that is known, which may be a bound. The learners need the extra `control`.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

import numpy as np

from steelyard.control import Controller, ControlPPO, Delayed, System, play
from steelyard.control.episodes import random_controller
from steelyard.worlds.contract import ArmMetrics, Property, absent, counts, differences, percent, plain, values

S = TypeVar("S")
DELAY = 3
EPISODES = 100
APART = 0.02
"""The smallest difference that counts, as a share of what lies between chance and the best."""


@dataclass(frozen=True)
class ControlWorld(Generic[S]):
    """A system that controllers act on."""

    system: System[S]
    best: Callable[[], float]
    """The best expected return that is known, or a bound from above."""
    calm: System[S]
    """The system without noise."""
    learner: ControlPPO = field(default_factory=lambda: ControlPPO(steps=10_240))
    """Of every arm that learns."""

    kind: ClassVar[str] = "control"
    columns: ClassVar[tuple[str, ...]] = ("base", "PPO", "best known", "PPO's cost")

    def measure(self, seed: int) -> Iterator[tuple[str, Mapping[str, float]]]:
        """The arms of one seed; `cpu_s` is what each took."""
        late = Delayed(self.system, DELAY)
        began = time.process_time()
        arms: dict[str, Callable[[], dict[str, float]]] = {
            "base": lambda: played(self.system, random_controller(self.system), seed) | {"best": self.best()},
            "ppo": lambda: played(self.system, self.learner.fit(self.system, seed=seed), seed),
            "late": lambda: played(late, self.learner.fit(late, seed=seed), seed),
            "calm": lambda: played(self.calm, self.learner.fit(self.calm, seed=seed), seed),
        }
        for arm, run in arms.items():
            metrics = run()
            yield arm, {**metrics, "cpu_s": time.process_time() - began}
            began = time.process_time()

    def properties(self, seeds: Sequence[ArmMetrics]) -> list[Property]:
        """What the arms say together."""
        least = APART * abs(
            float(np.mean(values(seeds, "base", "best"))) - float(np.mean(values(seeds, "base", "score")))
        )
        gain = differences(seeds, "ppo", "base", "score")
        seconds = float(np.mean(values(seeds, "ppo", "cpu_s")))
        short = [arms["base"]["best"] - arms["ppo"]["score"] for arms in seeds]
        late = differences(seeds, "late", "ppo", "score")
        calm = differences(seeds, "calm", "ppo", "score")
        wet = values(seeds, "ppo", "violations")
        return [
            Property("base", plain(values(seeds, "base", "score")), None, "mean return of any action alike"),
            Property("PPO", f"{plain(values(seeds, 'ppo', 'score'))} in {seconds:.0f} s", counts(gain, least),
                     f"mean return after {self.learner.steps} steps"),
            Property("best known", plain(values(seeds, "base", "best")), None, "exact, or a bound from above"),
            Property("room", plain(short), counts(short, least), "what PPO leaves to the best that is known"),
            Property("PPO's cost", plain(values(seeds, "ppo", "cost")), None, "mean cost of an episode"),
            Property("constraints", percent(wet), float(np.mean(wet)) >= 0.1, "PPO's episodes that have a cost"),
            Property("delay", plain(late), counts(late, least), f"PPO on observations {DELAY} steps late against PPO"),
            Property("noise", plain(calm), counts(calm, least), "PPO without noise against PPO"),
            absent("GRPO", "controllers here have no groups of samples of one prompt"),
            absent("RFT", "no completion is right or wrong"),
        ]  # fmt: skip


def played(system: System[S], controller: Controller, seed: int) -> dict[str, float]:
    """What a controller's episodes are like."""
    episodes = play(system, controller, EPISODES, seed=seed)
    return {
        "score": float(np.mean([e.value for e in episodes])),
        "cost": float(np.mean([e.cost for e in episodes])),
        "violations": float(np.mean([e.cost > 0 for e in episodes])),
        "steps": float(np.mean([len(e.rewards) for e in episodes])),
    }
