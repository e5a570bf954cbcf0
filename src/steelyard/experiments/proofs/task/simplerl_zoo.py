"""Zero RL on two bases: a rigid format reward holds back the one that does not know the format; hard rows teach little.

The world is `marked-codes`: answers are right with or without a mark in front. One base model marks nearly all of its
answers (`fluent`), the other hardly any (`weak`). Arms of the same GRPO: rewards for right answers alone (`right-weak`,
`right-fluent`), rewards of 1, -1/2 and -1 by a form that asks for the mark (`format-weak`, `format-fluent`), and right
answers alone on hard rows of the fluent base (`hard`); all others are trained on rows that fit.
`base-weak` learns nothing; in `shuffled`, the control, rewards are dealt out at random within each prompt. `accuracy`
is the share of right samples, with or without a mark, on held-out problems like those trained on, `gain` what it is
above the base's; `pass` the share of problems that 8 samples solve, `formed` that of marked samples.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from steelyard.core import Prompt, Trajectory, rng
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.objective import GRPO
from steelyard.policy import Policy
from steelyard.task import SimpleRLZoo
from steelyard.worlds import marked_codes
from steelyard.worlds.marked_codes import HARD, MARK, MATCHED, MarkedCodes
from steelyard.worlds.sync_loop import SyncLoop

MARKED = {"fluent": 0.95, "weak": 0.01}
"""Share of marked answers that each base is shown."""
SAMPLES = 8
"""Of a problem, where it is measured."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    steps: int = 30
    prompts: int = 16
    evaluated: int = 40
    """Held-out problems."""


@dataclass(frozen=True)
class Training:
    """What an arm does."""

    base: str = "weak"
    domain: int = MATCHED
    form: str = ""
    """That a completion must have; empty for right answers alone."""
    learns: bool = True
    shuffled: bool = False
    """Rewards are dealt out at random within each prompt."""


ARMS: Mapping[str, Training] = {
    "right-weak": Training(),
    "base-weak": Training(learns=False),
    "shuffled": Training(shuffled=True),
    "format-weak": Training(form=f"^{MARK}"),
    "right-fluent": Training("fluent"),
    "format-fluent": Training("fluent", form=f"^{MARK}"),
    "hard": Training("fluent", HARD),
}


def dealt(group: list[Trajectory], draws: np.random.Generator) -> list[Trajectory]:
    """The same samples, with their rewards in another order."""
    return [t.replace(reward=group[i].reward) for t, i in zip(group, draws.permutation(len(group)), strict=True)]


def trained(start: Policy, world: MarkedCodes, arm: Arm[Training], setting: Setting, seed: int) -> SyncLoop:
    """The loop after an arm's steps."""
    how = arm.settings
    task = SimpleRLZoo(task=world, form=how.form)
    rate = arm.rate if how.learns else 0.0
    loop = SyncLoop(start, task, GRPO(), learning_rate=rate, seed=seed, max_tokens=marked_codes.WORLD.max_tokens)
    prompts = of_domain(world, "train", how.domain)
    order = rng(seed, "order", how.domain)
    draws = rng(seed, "dealt")
    for _ in range(setting.steps if how.learns else 0):
        chosen = order.choice(len(prompts), setting.prompts, replace=False)
        groups = loop.sample([prompts[i] for i in chosen])
        loop.learn([dealt(group, draws) for group in groups] if how.shuffled else groups)
    return loop


def of_domain(world: MarkedCodes, split: str, domain: int) -> list[Prompt]:
    """The problems of one domain."""
    return [prompt for prompt in world.prompts(split) if prompt.columns["domain"] == domain]


def quality(policy: Policy, world: MarkedCodes, domain: int, setting: Setting, seed: int) -> dict[str, float]:
    """Shares of right and of marked samples, and of problems that are solved."""
    asked = of_domain(world, "held-out", domain)[: setting.evaluated]
    loop = SyncLoop(policy, world, GRPO(), learning_rate=0.0, seed=seed, max_tokens=marked_codes.WORLD.max_tokens)
    groups = loop.sampled(asked, SAMPLES)
    right = [sum(t.reward == 1 for t in group) for group in groups]
    formed = sum(t.reward_parts["formed"] == 1 for group in groups for t in group)
    return {
        **share("accuracy", sum(right), SAMPLES * len(groups)),
        **share("pass", sum(number > 0 for number in right), len(groups)),
        **share("formed", formed, SAMPLES * len(groups)),
    }


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Training]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm, from the base that it names."""
    worlds = {name: MarkedCodes(marked=marked, data_seed=seed) for name, marked in MARKED.items()}
    start = cache(lambda name: marked_codes.base(worlds[name], seed))
    for arm in arms:
        how = arm.settings
        world = worlds[how.base]
        before = quality(start(how.base), world, how.domain, setting, seed)
        loop = trained(start(how.base), world, arm, setting, seed)
        row = quality(loop.policy, world, how.domain, setting, seed)
        yield arm.name, {**row, "gain": row["accuracy"] - before["accuracy"], "moved": loop.moved, **loop.scale}


PROOF = Proof(
    proves=("simplerl-zoo",),
    ours="right-weak",
    control="shuffled",
    equal="problems and samples in a step, 30 steps, learning rate; the base model, of arms with one ending",
    claims=(
        Claim("A weak base gains 30 points by right answers alone", "accuracy", "base-weak", 0.3),
        Claim("A weak base gains 40 points more than by a rigid format reward", "accuracy", "format-weak", 0.4),
        Claim("A fluent base loses at most 10 points by the format reward", "accuracy", "right-fluent", -0.1,
              ours="format-fluent"),
        Claim("Rows that fit bring 20 points more than hard rows", "gain", "hard", 0.2, ours="right-fluent"),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(steps=10),
    first_seed=3,
    rates={name: 5e-4 for name, how in ARMS.items() if how.learns},
)  # fmt: skip
