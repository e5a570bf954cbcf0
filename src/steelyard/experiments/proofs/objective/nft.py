"""NFT where most right answers are lucky: sums that the base model can work out, and mostly guesses.

All arms begin at the base model of `latent_skill` and sample 8 answers to each of 48 problems; they learn from these in
three parts of 16, so that two of the three are a little off-policy. `nft`; right answers alone, which is NFT with
nothing for wrong ones (`rft`); Dr. GRPO; and the control, NFT with the rewards of each prompt dealt out at random
(`nft-off`). `accuracy` is the share of right samples for held-out problems, `hard` that of problems of five terms and
more, `worked` the share that was worked out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from steelyard.core import Trajectory, rng
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.objective import NFT, DrGRPO, Objective
from steelyard.worlds.latent_skill import LatentSkill, base
from steelyard.worlds.sync_loop import SyncLoop

PART = 16
LONGEST = 12
HARD = 5
"""Terms of a hard problem, and more."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: LatentSkill
    steps: int = 40
    prompts: int = 48
    """Sampled at a step; a multiple of 16."""


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


def described(loop: SyncLoop) -> dict[str, float]:
    """What is measured, on 8 samples of each held-out problem."""
    prompts = loop.task.prompts("held-out")
    groups = loop.sampled(prompts, 8)
    hard = [group for prompt, group in zip(prompts, groups, strict=True) if prompt.columns["domain"] >= HARD]
    row = dict[str, float]()
    for name, some in (("accuracy", groups), ("hard", hard)):
        rewards = [t.reward for group in some for t in group]
        row |= share(name, sum(reward == 1 for reward in rewards), len(rewards))
    worked = [t.reward_parts["worked"] for group in groups for t in group]
    return row | {"worked": float(np.mean(worked)), "moved": loop.moved}


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Learning]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base model, then each arm from there."""
    task = replace(setting.world, data_seed=seed)
    policy = base(task, seed)
    train = task.prompts("train")
    for arm in arms:
        loop = SyncLoop(policy, task, arm.settings.objective, learning_rate=arm.rate, seed=seed, max_tokens=LONGEST)
        order = rng(seed, "order")
        draws = rng(seed, "dealt")
        for _ in range(setting.steps):
            groups = loop.sample([train[i] for i in order.choice(len(train), setting.prompts, replace=False)])
            if arm.settings.shuffled:
                groups = [dealt(group, draws) for group in groups]
            for start in range(0, setting.prompts, PART):
                loop.learn(groups[start : start + PART])
        yield arm.name, described(loop) | loop.scale


WORLD = LatentSkill(rare=0.1)
PROOF = Proof(
    proves=("nft",),
    ours="nft",
    control="nft-off",
    equal="the base model, problems and their order, 40 steps of 48 x 8 samples in three parts, optimiser",
    claims=(
        Claim("NFT is 3 points above right answers alone", "accuracy", "rft", 0.03),
        Claim("NFT is at most 5 points below Dr. GRPO", "accuracy", "dr-grpo", -0.05),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(WORLD),
    quick=Setting(WORLD, steps=8),
    rates=dict.fromkeys(ARMS, 5e-4),
)
