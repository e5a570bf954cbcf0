"""mDPO where a fifth of the rewards is turned round: do groups tolerate it better than pairs?

The world is `many-answers`: tens of right answers to each prompt, and noise in the reward matters. Every step samples
16 prompts 8 times, and every arm learns from the same number of samples: as two groups (mdpo), as four pairs (dpo), or
as two groups by rewards that were shuffled within the prompt (mdpo-off).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from steelyard.core import Trajectory, rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.objective import DPO, MDPO, Objective
from steelyard.worlds.many_answers import WORLD
from steelyard.worlds.sync_loop import SyncLoop

Groups = list[list[Trajectory]]


@dataclass(frozen=True)
class How:
    """What makes an arm."""

    objective: Objective
    size: int = 8
    """Samples that are compared at a time."""
    shuffled: bool = False
    """Whether rewards change places within the prompt."""


ARMS: Mapping[str, How] = {
    "mdpo": How(MDPO()),
    "dpo": How(DPO(), size=2),
    "mdpo-off": How(MDPO(), shuffled=True),
}


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    steps: int = 40
    prompts: int = 16
    noise: float = 0.2
    """Share of rewards that are turned round."""


def seen(how: How, group: list[Trajectory], noise: float, draws: np.random.Generator) -> Groups:
    """The groups that an arm compares, with the rewards that it goes by."""
    turned = draws.random(len(group)) < noise
    reward = np.abs(np.array([t.reward for t in group]) - turned)
    reward = draws.permutation(reward) if how.shuffled else reward
    noisy = [t.replace(reward=float(r)) for t, r in zip(group, reward, strict=True)]
    return [noisy[first : first + how.size] for first in range(0, len(noisy), how.size)]


def measure(seed: int, setting: Setting, arms: Iterable[Arm[How]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Held-out accuracy by true rewards of each arm, after as many steps."""
    task = WORLD.task(seed)
    policy = WORLD.base(task, seed)
    prompts = task.prompts("train")
    for arm in arms:
        how = arm.settings
        loop = SyncLoop(policy, task, how.objective, learning_rate=arm.rate, seed=seed, max_tokens=WORLD.max_tokens)
        draws = rng(seed, "mdpo")
        for _ in range(setting.steps):
            groups = loop.sample([prompts[i] for i in draws.choice(len(prompts), setting.prompts, replace=False)])
            loop.learn([part for group in groups for part in seen(how, group, setting.noise, draws)])
        yield arm.name, {"accuracy": loop.accuracy(task.prompts("held-out")), "moved": loop.moved, **loop.scale}


PROOF = Proof(
    proves=("mdpo",),
    ours="mdpo",
    control="mdpo-off",
    equal="prompts, samples and rewards for each step, steps",
    claims=(Claim("With noisy rewards, groups beat pairs by 5 points", "accuracy", baseline="dpo", min_effect=0.05),),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(steps=10),
    rates=dict.fromkeys(ARMS, 3e-4),
)
