"""Which rewards train where: a panel of them on a task that the base is aligned with, and on one that it is not.

The world is `two-codes`: one base model, to which one code is well known and another hardly at all; half of its answers
break off. Every arm trains it on the one and, from the start again, on the other: GRPO by the verifier (`truth`), and
by two rewards of `reward.spurious` with the format of a whole answer (`coin-flip`, `majority`). `base` learns nothing;
in `shuffled`, the control, the verifier's rewards are dealt out at random within each prompt. `high` and `low` are the
shares of right samples on held-out prompts of the task trained on, `pass_high` and `pass_low` those of prompts that 16
samples solve.

Left out for cost: wrong samples alone, and the model's confidence. Not claimed: that wrong rewards and a single example
gain at high alignment; in this world nothing but luck would make it so. Rewards that are noise are best at a low rate,
others at a high one: each arm has the best of its trial.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.core import Episode, Prompt, Trajectory, rng
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.objective import GRPO, Objective
from steelyard.policy import Policy
from steelyard.reward import Spurious
from steelyard.reward.spurious import Kind
from steelyard.worlds import two_codes
from steelyard.worlds.habits import Habits
from steelyard.worlds.sync_loop import SyncLoop

Groups = list[list[Trajectory]]
SAMPLES = 16
"""Of a prompt, in a step and where it is measured."""
TASKS = {"high": two_codes.KNOWN, "low": two_codes.UNKNOWN}


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    steps: int = 48
    prompts: int = 8
    evaluated: int = 32
    """Held-out prompts."""


@dataclass(frozen=True)
class Training:
    """What an arm does."""

    objective: Objective | None = None
    """None learns nothing."""
    kind: Kind | None = None
    """The spurious reward; None is the verifier's."""
    shuffled: bool = False
    """Rewards are dealt out at random within each prompt."""


ARMS: Mapping[str, Training] = {
    "truth": Training(GRPO()),
    "base": Training(),
    "shuffled": Training(GRPO(), shuffled=True),
    "coin-flip": Training(GRPO(), "coin-flip"),
    "majority": Training(GRPO(), "majority"),
}


def prompts_of(world: Habits, split: str, domain: int) -> list[Prompt]:
    """The prompts of one task."""
    return [prompt for prompt in world.prompts(split) if prompt.columns["domain"] == domain]


def paid(groups: Groups, prompts: Sequence[Prompt], reward: Spurious, policy: Policy) -> Groups:
    """The groups with what another reward gives."""
    known = {prompt.id: prompt for prompt in prompts}
    found: Groups = []
    for group in groups:
        episodes = [Episode.of(known[t.prompt_id], text_of(policy, t), t) for t in group]
        scores = reward(episodes)
        found.append([t.replace(reward=score.value) for t, score in zip(group, scores, strict=True)])
    return found


def text_of(policy: Policy, trajectory: Trajectory) -> str:
    """The completion's text without its end of sequence."""
    tokens = trajectory.tokens_T[trajectory.action_T].tolist()
    return policy.decode(tokens[:-1] if trajectory.finish == "stop" else tokens)


def dealt(groups: Groups, draws: np.random.Generator) -> Groups:
    """The same samples, with the rewards of each prompt in another order."""
    orders = [draws.permutation(len(group)) for group in groups]
    return [
        [t.replace(reward=group[i].reward) for t, i in zip(group, order, strict=True)]
        for group, order in zip(groups, orders, strict=True)
    ]


def trained(start: Policy, world: Habits, domain: int, arm: Arm[Training], setting: Setting, seed: int) -> SyncLoop:
    """The loop after an arm's steps on one task."""
    how = arm.settings
    loop = SyncLoop(
        start,
        world,
        how.objective or GRPO(),
        learning_rate=arm.rate,
        seed=seed,
        num_generations=SAMPLES,
        max_tokens=two_codes.WORLD.max_tokens,
    )
    prompts = prompts_of(world, "train", domain)
    reward = None if how.kind is None else Spurious(how.kind, two_codes.FORMAT, world.score)
    order = rng(seed, "order", domain)
    draws = rng(seed, "dealt", domain)
    for _ in range(setting.steps if how.objective is not None else 0):
        chosen = order.choice(len(prompts), setting.prompts, replace=False)
        groups = loop.sample([prompts[i] for i in chosen])
        groups = groups if reward is None else paid(groups, prompts, reward, loop.policy)
        loop.learn(dealt(groups, draws) if how.shuffled else groups)
    return loop


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Training]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm on both tasks, from one base model."""
    world = two_codes.task(seed)
    start = two_codes.base(world, seed)
    for arm in arms:
        row: dict[str, float] = {}
        scale = {"parameters": 0.0, "tokens": 0.0}
        for name, domain in TASKS.items():
            loop = trained(start, world, domain, arm, setting, seed)
            groups = loop.sampled(prompts_of(world, "held-out", domain)[: setting.evaluated], SAMPLES)
            right = [sum(t.reward == 1 for t in group) for group in groups]
            row |= share(name, sum(right), SAMPLES * len(groups))
            row |= share(f"pass_{name}", sum(number > 0 for number in right), len(groups))
            row[f"moved_{name}"] = loop.moved
            scale = {"parameters": loop.scale["parameters"], "tokens": scale["tokens"] + loop.scale["tokens"]}
        yield arm.name, {**row, **scale}


PROOF = Proof(
    proves=("model-task-alignment", "spurious"),
    ours="truth",
    control="shuffled",
    equal="the base model, prompts in a step, samples of each, 48 steps; rates by trial",
    claims=(
        Claim("High alignment: the verifier gains 40 points", "high", "base", 0.4),
        Claim("High alignment: a majority vote gains 25 points", "high", "base", 0.25, ours="majority"),
        Claim("High alignment: a coin flip on the format gains 20 points", "high", "base", 0.2, ours="coin-flip"),
        Claim("Low alignment: the verifier is 20 points above a majority vote", "low", "majority", 0.2),
        Claim("Low alignment: the verifier is 20 points above a coin flip", "low", "coin-flip", 0.2),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(steps=10),
    first_seed=9,
    seeds=5,
    rates={"truth": 1e-3, "majority": 1e-3, "coin-flip": 2.5e-4, "shuffled": 2.5e-4},
)
