"""NFT where there are many right answers: digits of which every second is right.

The world is `integers`, with half of the digits right: 37 % of the base model's answers are, and each letter has to be
learned by itself. A step samples each of 24 letters 8 times, and learns from these in four parts, so that three of the
four are a little off-policy. After 24 steps no arm is done: more steps leave so few wrong answers that a single letter
whose right digits were all lost outweighs the others. `nft`; right answers alone, which is NFT with nothing for wrong
ones (`rft`); Dr. GRPO; and the control, NFT with the rewards of each prompt dealt out at random (`nft-off`). `wrong` is
the probability of an answer that is not right, exactly, the mean over letters; `accuracy` is one less it; `entropy`
that of the law over digits in nats, which says how many right answers are left.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from steelyard.core import Trajectory, rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.objective import NFT, DrGRPO, Objective
from steelyard.worlds.integers import Integers, base, entropy, laws, right_share
from steelyard.worlds.sync_loop import SyncLoop

PART = 6
"""Prompts that are learned from at a time."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: Integers
    steps: int = 24


@dataclass(frozen=True)
class Learning:
    """What an arm learns by."""

    objective: Objective
    shuffled: bool = False
    """Rewards are dealt out at random within each prompt."""


ARMS = {
    "rft": Learning(NFT(negative=0.0)),
    "nft": Learning(NFT()),
    "dr-grpo": Learning(DrGRPO()),
    "nft-off": Learning(NFT(), shuffled=True),
}


def dealt(group: Sequence[Trajectory], draws: np.random.Generator) -> list[Trajectory]:
    """The same samples, with their rewards in another order."""
    order = draws.permutation(len(group))
    return [t.replace(reward=group[i].reward) for t, i in zip(group, order, strict=True)]


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Learning]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base model, then each arm from there."""
    task = replace(setting.world, data_seed=seed)
    policy = base(task, seed)
    train = task.prompts("train")
    for arm in arms:
        loop = SyncLoop(policy, task, arm.settings.objective, learning_rate=arm.rate, seed=seed, max_tokens=1)
        order = rng(seed, "order")
        draws = rng(seed, "dealt")
        for _ in range(setting.steps):
            groups = loop.sample([train[i] for i in order.permutation(len(train))])
            if arm.settings.shuffled:
                groups = [dealt(group, draws) for group in groups]
            for start in range(0, len(groups), PART):
                loop.learn(groups[start : start + PART])
        law_PN = laws(loop.policy, task)
        accuracy = float(right_share(law_PN, task).mean())
        row = {"wrong": 1 - accuracy, "accuracy": accuracy, "entropy": float(entropy(law_PN).mean())}
        yield arm.name, {**row, "moved": loop.moved, **loop.scale}


WORLD = Integers(problems=24, half=True)
PROOF = Proof(
    proves=("nft",),
    ours="nft",
    control="nft-off",
    equal="the base model, letters and their order, 24 steps of 24 x 8 samples in four parts, optimiser",
    claims=(
        Claim("NFT leaves a tenth fewer wrong answers than right answers alone", "wrong", "rft", 0.1,
              lower_is_better=True, relative=True),
        Claim("NFT is at most 2 points below Dr. GRPO", "accuracy", "dr-grpo", -0.02),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(WORLD),
    quick=Setting(WORLD, steps=8),
    rates={"rft": 1e-2, "nft": 2e-3, "dr-grpo": 2e-3, "nft-off": 2e-3},
    first_seed=200,
    seeds=6,
)  # fmt: skip
