"""SPOC on sums that are guessed at first: does it pay to verify in the same generation?

The world is `guessed-sums`: a first proposal is one of two digits and a guess, and a verification may be worked out,
which the base model does three times in ten. Every arm learns from as many generations for each step: SPOC with rewards
for both roles (spoc); single-turn RL, whose generation is the first digit and whose objective is RLOO (single);
proposals alone rewarded, verifications not learned (proposer); SPOC's rewards dealt out anew within prompt and role
(spoc-off); or not at all (base), which is the model after supervised tuning. Then all of them propose and verify at
each held-out problem: `solved` is the share whose last proposal is right, `first` that of first proposals, `agrees` the
share of verdicts that are right, `false_yes` the share of generations that end with a wrong proposal accepted.

Two things must hold, by trials and a first record on seeds 0 to 3 (lab notes). The base model can verify, if it works a
verification out: where it cannot, SPOC learns nothing. And about half of the first proposals are right: where most are
wrong, SPOC learns to refuse them all.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.core import Trajectory, rng
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.objective import RLOO, MessageRLOO, Objective
from steelyard.policy import Policy
from steelyard.task import SPOC
from steelyard.worlds.guessed_sums import WORLD
from steelyard.worlds.sync_loop import SyncLoop

Groups = list[list[Trajectory]]
ROLES = 2
UNUSED = 1.0
"""A learning rate where nothing is learned."""


@dataclass(frozen=True)
class How:
    """What makes an arm."""

    objective: Objective
    single: bool = False
    """The first digit is the whole generation."""
    proposals_only: bool = False
    """Verifications are not learned."""
    dealt: bool = False
    """Rewards are dealt out anew."""
    trained: bool = True


ARMS: Mapping[str, How] = {
    "spoc": How(MessageRLOO()),
    "single": How(RLOO(), single=True),
    "proposer": How(MessageRLOO(roles=1), proposals_only=True),
    "spoc-off": How(MessageRLOO(), dealt=True),
    "base": How(MessageRLOO(), trained=False),
}


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    steps: int = 40
    prompts: int = 16
    samples: int = 6
    """Of each held-out problem."""


def messages(t: Trajectory) -> list[tuple[int, int]]:
    """Where each message begins and ends, both included."""
    assert t.reward_T is not None
    ends = np.flatnonzero(t.reward_T).tolist()
    return list(zip([int(t.action_T.argmax()), *(end + 1 for end in ends)], ends, strict=False))


def without_verifications(t: Trajectory) -> Trajectory:
    """The trajectory whose proposals alone are actions."""
    action_T = t.action_T.copy()
    reward_T = np.array(t.reward_T)
    for begin, end in messages(t)[1::ROLES]:
        action_T[begin : end + 1] = False
        reward_T[end] = 0.0
    return t.replace(action_T=action_T, reward_T=reward_T)


def dealt_anew(group: Sequence[Trajectory], draws: np.random.Generator) -> list[Trajectory]:
    """The group with its messages' rewards dealt out anew among those of a role."""
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for j, t in enumerate(group):
        for m, (_, end) in enumerate(messages(t)):
            places[m % ROLES].append((j, end))
    rewards = [np.array(t.reward_T) for t in group]
    for mine in places.values():
        dealt = draws.permutation([rewards[j][end] for j, end in mine])
        for (j, end), reward in zip(mine, dealt, strict=True):
            rewards[j][end] = reward
    return [t.replace(reward_T=reward_T) for t, reward_T in zip(group, rewards, strict=True)]


def shown(how: How, groups: Groups, draws: np.random.Generator) -> Groups:
    """The groups as an arm learns from them."""
    if how.proposals_only:
        return [[without_verifications(t) for t in group] for group in groups]
    return [dealt_anew(group, draws) for group in groups] if how.dealt else groups


def learned(policy: Policy, arm: Arm[How], task: SPOC, seed: int, setting: Setting) -> SyncLoop:
    """An arm's loop after its steps."""
    how = arm.settings
    asked, length = (task.task, 1) if how.single else (task, WORLD.max_tokens)
    rate = arm.rate or UNUSED
    loop = SyncLoop(policy, asked, how.objective, learning_rate=rate, seed=seed, max_tokens=length)
    draws = rng(seed, "dealt")
    prompts = task.prompts("train")
    for step in range(setting.steps if how.trained else 0):
        chosen = rng(seed, "problems", step).choice(len(prompts), setting.prompts, replace=False)
        loop.learn(shown(how, loop.sample([prompts[i] for i in chosen]), draws))
    return loop


def quality(policy: Policy, task: SPOC, seed: int, samples: int) -> dict[str, float]:
    """What proposing and verifying come to, on held-out problems."""
    loop = SyncLoop(policy, task, RLOO(), learning_rate=UNUSED, seed=seed, max_tokens=WORLD.max_tokens)
    found = [t for group in loop.sampled(task.prompts("held-out"), samples) for t in group]
    counts = {name: int(sum(t.reward_parts[name] for t in found)) for name in found[0].reward_parts}
    return {
        **share("solved", sum(t.reward == 1 for t in found), len(found)),
        **share("first", counts["first"], len(found)),
        **share("agrees", counts["right_verdicts"], max(counts["verdicts"], 1)),
        **share("false_yes", counts["false_accepts"], len(found)),
        "proposals": counts["proposals"] / len(found),
        "length": float(np.mean([t.action_T.sum() for t in found])),
    }


def measure(seed: int, setting: Setting, arms: Iterable[Arm[How]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm of a seed, from one base model."""
    task = WORLD.task(seed)
    policy = WORLD.base(task, seed)
    for arm in arms:
        loop = learned(policy, arm, task, seed, setting)
        yield arm.name, {**quality(loop.policy, task, seed, setting.samples), "moved": loop.moved, **loop.scale}


PROOF = Proof(
    proves=("spoc", "message-rloo"),
    ours="spoc",
    control="spoc-off",
    equal="the base model, problems and generations for each step, 40 steps; all are asked alike",
    claims=(
        Claim("Answers are right 20 points more often than after single-turn RL", "solved", "single", 0.2),
        Claim("Answers are right 20 points more often than before RL", "solved", "base", 0.2),
        Claim("Verdicts are right 10 points more often than before RL", "agrees", "base", 0.1),
        Claim(
            "Answers are right 10 points more often than where proposals alone are rewarded",
            "solved",
            "proposer",
            0.1,
            kind="ablation",
        ),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(steps=20, samples=2),
    rates={"spoc": 1e-3, "single": 5e-4, "proposer": 1e-3, "spoc-off": 1e-3},
    first_seed=4,
    seeds=4,
)
