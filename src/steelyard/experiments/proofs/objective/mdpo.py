"""mDPO and mIPO where sets of samples are compared by how many different digits each has, and noisily.

The world is `integers`: a letter asks for a digit, and the base model hardly knows more than three of them. Each step
samples 16 prompts 8 times. A prompt's samples are two sets of four; the one with more different digits is preferred,
and a fifth of these labels is turned round. No single sample could be given such a label. All arms get the same labels:
as one comparison of two sets (mdpo, mipo), as four pairs with a sample of each set (dpo, ipo), or drawn by a coin
(mdpo-off). `distance` is the total variation between the policy's law over digits and the uniform one, exactly, the
mean over prompts; `entropy` that of the law in nats, at most 2.30; `digits` how much of it falls on digits.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from steelyard.core import Trajectory, rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.objective import DPO, IPO, MDPO, MIPO, Objective
from steelyard.worlds.integers import Integers, base, entropy, from_uniform, laws
from steelyard.worlds.sync_loop import SyncLoop

SET = 4
"""Samples of a set; a prompt's samples are two of them."""
BETA = 1.0
TAU = 0.25


@dataclass(frozen=True)
class How:
    """What makes an arm."""

    objective: Objective
    sets: bool = True
    """Whether sets are compared, or one sample of each at a time."""
    noise: float = 0.2
    """Share of labels that are turned round."""


ARMS: Mapping[str, How] = {
    "mdpo": How(MDPO(beta=BETA)),
    "dpo": How(DPO(beta=BETA), sets=False),
    "mipo": How(MIPO(tau=TAU)),
    "ipo": How(IPO(tau=TAU), sets=False),
    "mdpo-off": How(MDPO(beta=BETA), noise=0.5),
}


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: Integers
    steps: int = 100


def labelled(how: How, group: Sequence[Trajectory], draws: np.random.Generator) -> list[list[Trajectory]]:
    """The comparisons that an arm makes of a prompt's samples, each with the label of its set as its reward."""
    sets = [group[:SET], group[SET:]]
    score = [float(len({t.tokens_T[-1].item() for t in one if t.reward})) for one in sets]
    if draws.random() < how.noise:
        score.reverse()
    first, second = ([t.replace(reward=r) for t in one] for one, r in zip(sets, score, strict=True))
    return [first + second] if how.sets else [list(pair) for pair in zip(first, second, strict=True)]


def measure(seed: int, setting: Setting, arms: Iterable[Arm[How]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base model, then each arm from there, after as many steps."""
    task = replace(setting.world, data_seed=seed)
    policy = base(task, seed)
    prompts = task.prompts("train")
    for arm in arms:
        how = arm.settings
        loop = SyncLoop(
            policy, task, how.objective, learning_rate=arm.rate, seed=seed, num_generations=2 * SET, max_tokens=1
        )
        draws = rng(seed, "labels")
        for _ in range(setting.steps):
            loop.learn([part for group in loop.sample(prompts) for part in labelled(how, group, draws)])
        law_PN = laws(loop.policy, task)
        row = {
            "distance": float(from_uniform(law_PN).mean()),
            "entropy": float(entropy(law_PN).mean()),
            "digits": float(law_PN.sum(1).mean()),
        }
        yield arm.name, {**row, "moved": loop.moved, **loop.scale}


WORLD = Integers()
PROOF = Proof(
    proves=("mdpo", "mipo"),
    ours="mdpo",
    control="mdpo-off",
    equal="the base model, prompts and samples and labels for each step, 100 steps, beta and tau",
    claims=(
        Claim("By noisy labels of sets, mDPO ends 10 % nearer to uniform than DPO on pairs", "distance",
              baseline="dpo", min_effect=0.1, lower_is_better=True, relative=True),
        Claim("mIPO ends 10 % nearer than IPO on pairs", "distance",
              baseline="ipo", min_effect=0.1, lower_is_better=True, relative=True, ours="mipo"),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(WORLD),
    quick=Setting(WORLD, steps=20),
    rates={"mdpo": 3e-3, "dpo": 1e-2, "mipo": 1e-3, "ipo": 1e-2, "mdpo-off": 3e-3},
    seeds=6,
)  # fmt: skip
