"""Trajectory balance on samples 16 versions old, each learned from once, in the world of the latent skill.

Every step samples 16 prompts x 8 with the weights of now and learns from what was sampled 16 steps before. Arms differ
in what they take for a group's log Z: its mean under the policy that sampled it (ours), its mean under the policy as it
is (VarGrad, as published), a head's prediction (as information), and, as the control, the first of these taken from
another prompt of the batch: as large and as old, and of the wrong place. `accuracy` is greedy, over held-out prompts;
`kept` is the mean of log pi - log mu over the right answers that wait to be learned from at the end (nats), below 0
where what is right has lost probability since it was sampled; `right` is their share among these samples. The learning
rate of each arm is the best of 1e-4, 3e-4 and 1e-3 on two trial seeds.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from steelyard.core import Batch, Loss, Needs, Trajectory, WarmupStableDecay, Weights, rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.learner import Adam
from steelyard.objective import AnchoredTB, LearnedZTB, Objective, VarGradTB
from steelyard.objective.advantage import reward_of
from steelyard.objective.importance import log_importance
from steelyard.objective.kernels import squared_residual
from steelyard.objective.reduce import log_ratio, prompt_mean, sum_steps
from steelyard.policy.copied import copied
from steelyard.policy.reference import reference_logp
from steelyard.worlds import latent_skill
from steelyard.worlds.latent_skill import LatentSkill
from steelyard.worlds.sync_loop import SyncLoop

PROMPTS_PER_STEP = 16
BETA = 0.1


@dataclass(frozen=True)
class ElsewhereTB:
    """`AnchoredTB` with the anchors of the batch gone round by one prompt."""

    needs: ClassVar[Needs] = AnchoredTB.needs

    beta: float = BETA

    def __call__(self, batch: Batch) -> Loss:
        """The loss."""
        d_PG = self.beta * log_ratio(batch) - reward_of(batch)
        moved_PG = sum_steps(log_importance(batch), batch)
        then_P1 = prompt_mean((d_PG - self.beta * moved_PG).detach(), batch.valid_PG)
        return squared_residual(d_PG - then_P1.roll(1, 0), batch.valid_PG)


ARMS: dict[str, Objective] = {
    "anchored-tb": AnchoredTB(BETA),
    "vargrad-tb": VarGradTB(BETA),
    "elsewhere": ElsewhereTB(),
    "learned-z-tb": LearnedZTB(BETA),
}


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: LatentSkill
    lag: int = 16
    """Versions by which samples trail."""
    steps: int = 200


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Objective]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Each arm from the same base model, on prompts in the same order."""
    task = replace(setting.world, data_seed=seed)
    policy = latent_skill.base(task, seed)
    schedule = WarmupStableDecay(warmup=10, stable=setting.steps // 2, decay=setting.steps // 2, floor=0.05)
    for arm in arms:
        loop = SyncLoop(
            policy, task, arm.settings, learning_rate=arm.rate, seed=seed, max_tokens=2 * latent_skill.MOST,
            optimizer=Adam(schedule=schedule),
        )  # fmt: skip
        waiting = learned_late(loop, setting, seed)
        right, kept = kept_of(loop, waiting)
        accuracy = loop.accuracy(list(task.prompts("held-out")))
        yield arm.name, {"accuracy": accuracy, "kept": kept, "right": right, "moved": loop.moved, **loop.scale}


def learned_late(loop: SyncLoop, setting: Setting, seed: int) -> list[Sequence[Trajectory]]:
    """Learn from each group `lag` steps after it was sampled; returns the groups that still wait at the end."""
    prompts = loop.task.prompts("train")
    waiting: deque[list[list[Trajectory]]] = deque()
    for step in range(setting.steps + setting.lag):
        drawn = rng(seed, "prompts", step).choice(len(prompts), PROMPTS_PER_STEP, replace=False)
        waiting.append(loop.sample([prompts[i] for i in drawn]))
        if len(waiting) > setting.lag:
            loop.learn(waiting.popleft())
    return [group for groups in waiting for group in groups]


def kept_of(loop: SyncLoop, waiting: Sequence[Sequence[Trajectory]]) -> tuple[float, float]:
    """The share of right answers, and their mean log pi - log mu (nats); 0 where none is right."""
    found = [t for group in waiting for t in group]
    right = [t for t in found if (t.reward or 0.0) > 0]
    if not right:
        return 0.0, 0.0
    policy = copied(loop.policy)
    now = reference_logp(policy, Weights.of(policy.weights(), loop.learner.version), right, 1.0)
    gaps = [float((then_now(t) * t.action_T).sum()) for t in now]
    return len(right) / len(found), float(np.mean(gaps))


def then_now(trajectory: Trajectory) -> np.ndarray:
    """log pi - log mu at each step, of a trajectory whose reference is the policy as it is."""
    assert trajectory.logp_ref_T is not None
    return trajectory.logp_ref_T - trajectory.logp_behaviour_T


PROOF = Proof(
    proves=("anchored-tb",),
    ours="anchored-tb",
    control="elsewhere",
    equal="the base model, 200 steps of 16 x 8 samples 16 versions old, prompts, Adam; each its best of three rates",
    claims=(
        Claim("On samples 16 versions old it is 10 points above the published loss", "accuracy", "vargrad-tb", 0.1),
        Claim("Right answers keep half a nat more of their log-probability", "kept", "vargrad-tb", 0.5),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(LatentSkill()),
    quick=Setting(LatentSkill(problems=60, held_out=20), lag=4, steps=12),
    rates=dict.fromkeys(ARMS, 3e-4),
    seeds=5,
)
