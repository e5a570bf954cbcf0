"""Dichotomy of Control on wages, a lottery and a ladder: does it keep what it promises where luck pays?

Every arm learns from the same 2400 episodes of play at random, for as many steps of as many rows, and acts by the most
that its latents promise. The returns of the lucky are the highest (`worlds.lottery`): `return` conditions on the return
to come, and the control `future` reads the future without the constraints: the method switched off. Its reading begins
as a copy of the action, and in some seeds is still one after these steps: it then keeps its promises, too. So what is
earned is compared with `return` alone.

`score` is the mean return of 300 episodes of the controller; a wage at every step is 2.5, and none earns more on
average. `broken` is what the controller promises at the beginning beyond what it earns, `information` the nats that
rewards and next states of held-out episodes tell of the latent, as networks of the method's own guess them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from steelyard.control import Dichotomy, ReturnConditioned, play
from steelyard.control.episodes import random_controller
from steelyard.control.offline import collect, sizes_of
from steelyard.control.offline_learner import OfflineLearner
from steelyard.core import derive
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.worlds.lottery import Lottery

ARMS: Mapping[str, OfflineLearner] = {
    "dichotomy": Dichotomy(num_latents=6, discount=1.0),
    "return": ReturnConditioned(discount=1.0),
    "future": Dichotomy(num_latents=6, reward_weight=0.0, next_weight=0.0, discount=1.0),
}


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: Lottery = field(default_factory=Lottery)
    steps: int = 1000
    episodes: int = 2400
    """To learn from; a third as many more are held out."""
    measured: int = 300
    """Episodes of a controller."""


def measure(
    seed: int, setting: Setting, arms: Iterable[Arm[OfflineLearner]]
) -> Iterator[tuple[str, Mapping[str, float]]]:
    """What each arm learns from the same episodes."""
    world = setting.world
    number = setting.episodes
    played = collect(world, random_controller(world), number + number // 3, seed=derive(seed, "played"))
    for arm in arms:
        settings = replace(arm.settings, learning_rate=arm.rate)
        own = derive(seed, "arm", arm.name)
        learning = settings.learn(played[:number], sizes_of(world), seed=own, steps=setting.steps)
        learning.fitting.run()
        told = learning.measure(played[number:], own)
        score = float(np.mean([e.value for e in play(world, learning.controller, setting.measured, seed=seed)]))
        yield (
            arm.name,
            {
                "score": score,
                "broken": told["eval/promised"] - score,
                "information": told.get("eval/mi_reward", 0.0) + told.get("eval/mi_next", 0.0),
                "parameters": float(sum(p.numel() for p in learning.fitting.module.parameters())),
                "tokens": float(setting.steps * settings.batch_size),
            },
        )


PROOF = Proof(
    proves=("dichotomy",),
    ours="dichotomy",
    control="future",
    equal="the episodes, steps, rows of a step, layers; 6 latents or 16, by trial; one rate",
    claims=(
        Claim("It earns 0.25 more than conditioning on the return to come", "score", "return", 0.25, control=None),
        Claim("What it promises is 2.5 less above what it earns than after conditioning on the return", "broken",
              "return", 2.5, lower_is_better=True),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(steps=600),
    rates=dict.fromkeys(ARMS, 1e-3),
    first_seed=23,
    seeds=6,
)  # fmt: skip
