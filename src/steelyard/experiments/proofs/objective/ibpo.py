"""IBPO on scratchpads: half of the answers may be long; do they gain more than as many at random?

A tiny model imitates scratchpads: most are written in full; the others are too short for a hard problem, and as good as
in full for an easy one. In full is long: more than 13 tokens, end included. Reward is the chance to be right as a share
of what can be known, so that a hard problem is worth as much as an easy one; one problem in four is hard. Each arm
trains on-policy by imitation of its best samples. `ibpo` gives long answers to a quarter of the problems, those with
the largest gain; `random`, the control, to as many at random. `vote` is self-consistency: it learns short answers
alone, and the commonest last digit of three samples is the answer.

Held-out problems, weighed so that a quarter is hard, by samples: `accuracy` is the mean reward; `answer_tokens`, all
that make an answer; `long`, the share of long answers, and `placed`, the share of these that are for hard problems.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Episode, Prompt, Score, Trajectory, WarmupStableDecay, checked, derive
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.learner import Adam
from steelyard.objective import IBPO
from steelyard.worlds.scratchpad import TERMS, Scratchpad, base
from steelyard.worlds.sync_loop import SyncLoop

HARD = 0.25
"""Share of hard problems; the world has a half."""
BUDGET = HARD
SHORT = 3 * TERMS - 2
LONGEST = 3 * TERMS + 4
SAMPLES = 12


@dataclass(frozen=True)
class Knowable:
    """The task with one hard problem in four, and rewards as shares of what can be known: all are worth as much."""

    world: Scratchpad

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Those of the world; to train on, every easy one and each third of the hard ones."""
        every = self.world.prompts(split)
        hard = [p for p in every if not p.columns["easy"]]
        left = {p.id for i, p in enumerate(hard) if i % 3} if split == "train" else set()
        return [p for p in every if p.id not in left]

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """The chance to be right over the largest that a last digit has."""
        found = zip(self.world.score(episodes), episodes, strict=True)
        return [replace(s, value=(s.value or 0.0) * len(e.prompt.columns["answers"])) for s, e in found]


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    imitation: int = 2400
    """Steps of the imitating model."""
    half: int = 40
    """Half of an arm's steps; in the second the rate falls, so that no arm is caught in mid-swing."""
    prompts: int = 16


@dataclass(frozen=True)
class Allotting:
    """How an arm gives long answers to problems."""

    objective: IBPO
    at_random: bool = False
    """Gains are drawn in place of measured ones."""
    votes: int = 1
    """Samples of which the commonest last digit is the answer."""


ARMS = {
    "ibpo": Allotting(IBPO(budget=BUDGET, short_length=SHORT)),
    "random": Allotting(IBPO(budget=BUDGET, short_length=SHORT), at_random=True),
    "vote": Allotting(IBPO(budget=0.0, short_length=SHORT), votes=3),
}


@checked()
@dataclass(frozen=True)
class Drawing(IBPO):
    """The budget goes to problems at random."""

    draws: torch.Generator = field(default_factory=torch.Generator)

    def gain(
        self, reward_PG: Float[Tensor, "P G"], long_PG: Bool[Tensor, "P G"], short_PG: Bool[Tensor, "P G"]
    ) -> Float[Tensor, "P 1"]:
        """A number drawn for each problem."""
        return torch.rand(len(reward_PG), 1, generator=self.draws)


def learned_by(allotting: Allotting, seed: int) -> IBPO:
    """The objective, with draws of its own where it draws."""
    objective = allotting.objective
    if not allotting.at_random:
        return objective
    draws = torch.Generator().manual_seed(derive(seed, "gains"))
    return Drawing(objective.budget, objective.short_length, draws=draws)


def voted(samples: Sequence[Trajectory]) -> tuple[float, float]:
    """Reward of the commonest last digit, and the tokens of all samples; the first of equals wins."""
    last = [int(t.tokens_T[t.action_T][-2:][0]) for t in samples]
    [(digit, _)] = Counter(last).most_common(1)
    return samples[last.index(digit)].reward or 0.0, float(sum(t.action_T.sum() for t in samples))


def quality(loop: SyncLoop, votes: int) -> dict[str, float]:
    """Accuracy, tokens and long answers, on held-out problems."""
    prompts = loop.task.prompts("held-out")
    groups = loop.sampled(prompts, SAMPLES)
    hard_P = np.array([not p.columns["easy"] for p in prompts])
    weight_P = np.where(hard_P, HARD / hard_P.mean(), (1 - HARD) / (~hard_P).mean()) / len(prompts)
    answers = np.array([[voted(group[i : i + votes]) for i in range(0, SAMPLES, votes)] for group in groups])
    right_P = answers[..., 0].mean(-1)
    long_P = weight_P * np.array([np.mean([t.action_T.sum() > SHORT for t in group]) for group in groups])
    return {
        "accuracy": float(weight_P @ right_P),
        "accuracy-hard": float(right_P[hard_P].mean()),
        "accuracy-easy": float(right_P[~hard_P].mean()),
        "answer_tokens": float(weight_P @ answers[..., 1].mean(-1)),
        "long": float(long_P.sum()),
        "placed": float(long_P[hard_P].sum() / max(long_P.sum(), 1e-9)),
    }


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Allotting]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The imitating model, then each arm from there."""
    world = Scratchpad(data_seed=seed)
    task = Knowable(world)
    policy = base(world, seed, setting.imitation)
    optimizer = Adam(beta2=0.999, schedule=WarmupStableDecay(stable=setting.half, decay=setting.half))
    for arm in arms:
        objective = learned_by(arm.settings, seed)
        loop = SyncLoop(
            policy, task, objective, learning_rate=arm.rate, seed=seed, max_tokens=LONGEST, optimizer=optimizer
        )
        loop.run(2 * setting.half, setting.prompts)
        yield arm.name, quality(loop, arm.settings.votes) | {"moved": loop.moved, **loop.scale}


PROOF = Proof(
    proves=("ibpo",),
    ours="ibpo",
    control="random",
    equal="the imitating model, steps of 16 prompts with 8 samples each, learning rate, temperature",
    claims=(
        Claim("It is 3 points better than the same budget spent at random", "accuracy", "random", 0.03),
        Claim("Its answers take at most one token more than those", "answer_tokens", "random", -1.0, True),
        Claim("It is 3 points better than the votes of three short answers", "accuracy", "vote", 0.03, control=None),
        Claim("It takes no more tokens than those", "answer_tokens", "vote", 0.0, True, control=None),
        Claim("Of its long answers 20 points more than half are for hard problems", "placed", 0.5, 0.2),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(imitation=250, half=3),
    rates=dict.fromkeys(ARMS, 4e-4),
    first_seed=20,
    seeds=8,
)
