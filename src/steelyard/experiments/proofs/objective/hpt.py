"""HPT on sums whose longer half the base model never solves, with demonstrations of which three in five are wrong.

A small base model has learned to work sums of two to seven terms out, and then to give every sum of five or more up: it
solves none of those. Each training problem has a worked solution, and three of five of these have one wrong digit:
where they are exact, own samples have nothing to add, and SFT is as good as any. All arms go on from the base over the
same prompts, as many steps with as many rows: Dr. GRPO on own samples; SFT on the demonstrations, each as often as
others sample its prompt; SFT for the first half and Dr. GRPO for the second; HPT; and HPT with its gate shut
(`hpt-off`, the control), which is Dr. GRPO again. `accuracy` is the share of right samples on held-out problems, `hard`
that of the longer half; `imitated` is the share of prompts that HPT learned from a demonstration, in the first and in
the last tenth of its steps.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from steelyard.core import Prompt, rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.learner import demonstrations_of
from steelyard.objective import HPT, SFT, DrGRPO, Objective
from steelyard.policy import Policy
from steelyard.worlds.domains import CLOCK, EASY, Domains, base
from steelyard.worlds.sync_loop import SyncLoop, moved

PROMPTS = 24
SAMPLES = 8
LENGTH = 14
RL = DrGRPO(importance_ratio=False, max_length=LENGTH)


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: Domains
    imitation: int = 600
    """Steps of the base model in which it learns to work sums out; a quarter of that to give long ones up."""
    steps: int = 50
    slips: float = 0.6
    """Share of the demonstrations in which a digit is wrong."""


@dataclass(frozen=True)
class Slipping:
    """Solutions of which a share has one wrong digit."""

    task: Domains
    share: float
    seed: int

    def demonstration(self, prompt: Prompt) -> str:
        """The problem worked out, or nearly."""
        right = self.task.demonstration(prompt)
        draws = rng(self.seed, "slips", prompt.id)
        if draws.random() >= self.share:
            return right
        at = int(draws.integers(len(right)))
        digit = (int(right[at]) + int(draws.integers(1, CLOCK))) % CLOCK
        return f"{right[:at]}{digit}{right[at + 1 :]}"


@dataclass(frozen=True)
class Mixture:
    """What an arm learns by."""

    objective: Objective | None
    """On own samples; None for none of these."""
    imitated: float = 0.0
    """The share of the steps, the first ones, in which demonstrations alone are learned from."""


ARMS = {
    "dr-grpo": Mixture(RL),
    "sft": Mixture(None, imitated=1.0),
    "sft-then-rl": Mixture(RL, imitated=0.5),
    "hpt": Mixture(HPT(gamma=0.0, max_length=LENGTH)),
    "hpt-off": Mixture(HPT(gamma=-1.0, max_length=LENGTH)),
}


WORLD = Domains(problems=60, held_out=40)


def scores(loop: SyncLoop) -> dict[str, float]:
    """Right samples of held-out problems."""
    prompts = loop.task.prompts("held-out")
    right = np.array([np.mean([t.reward or 0 for t in group]) for group in loop.sampled(prompts, 4)])
    return {"accuracy": float(right.mean()), "hard": float(right[[p.columns["domain"] > EASY for p in prompts]].mean())}


class Course:
    """The steps of one arm."""

    def __init__(self, base: Policy, task: Domains, seed: int, rate: float, slips: float) -> None:
        self.base = base
        self.task = task
        self.seed = seed
        self.rate = rate
        self.train = task.prompts("train")
        self.given = demonstrations_of(Slipping(task, slips, seed), self.train, base)

    def prompts(self, step: int) -> list[Prompt]:
        """A step's prompts, the same for all arms."""
        return [self.train[i] for i in rng(self.seed, "order", step).permutation(len(self.train))[:PROMPTS]]

    def loop(self, objective: Objective, base: Policy) -> SyncLoop:
        """A loop that begins at this base."""
        return SyncLoop(
            base,
            self.task,
            objective,
            learning_rate=self.rate,
            seed=self.seed,
            max_tokens=LENGTH,
            demonstrations=self.given if isinstance(objective, HPT) else None,
        )

    def run(self, mixture: Mixture, steps: int) -> dict[str, float]:
        """All steps of the arm, and what is measured then."""
        imitated = round(mixture.imitated * steps)
        loop = self.imitation(range(imitated))
        row = dict[str, float]()
        if mixture.objective is not None:
            loop = self.loop(mixture.objective, loop.policy)
            row = self.sampling(loop, range(imitated, steps))
        return scores(loop) | row | loop.scale | {"moved": moved(self.base, loop.policy)}

    def imitation(self, steps: range) -> SyncLoop:
        """SFT, each step with as many rows as others sample."""
        loop = self.loop(SFT(), self.base)
        for t in steps:
            loop.learn([[self.given[p.id]] * SAMPLES for p in self.prompts(t)])
        return loop

    def sampling(self, loop: SyncLoop, steps: range) -> dict[str, float]:
        """Steps on own samples; also which share of prompts was imitated."""
        shares = [loop.learn(loop.sample(self.prompts(t))).get("objective/imitated", 0.0) for t in steps]
        tenth = max(1, len(shares) // 10)
        return {"imitated": sum(shares[:tenth]) / tenth, "imitated_late": sum(shares[-tenth:]) / tenth}


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Mixture]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base, then each arm from it."""
    task = replace(setting.world, data_seed=seed)
    start = base(Domains(problems=400, held_out=1, data_seed=seed), seed, setting.imitation)
    for arm in arms:
        yield arm.name, Course(start, task, seed, arm.rate, setting.slips).run(arm.settings, setting.steps)


PROOF = Proof(
    proves=("hpt",),
    ours="hpt",
    control="hpt-off",
    equal="base, prompts and their order, 50 steps of 24 x 8 rows, learning rate",
    measure=measure,
    arms=ARMS,
    setting=Setting(WORLD),
    quick=Setting(WORLD, imitation=200, steps=16),
    rates=dict.fromkeys(ARMS, 3e-4),
    first_seed=204,
    seeds=8,
    claims=(
        Claim("HPT learns what Dr. GRPO cannot: 20 points on the longer half", "hard", "dr-grpo", 0.2),
        Claim("HPT is 5 points above SFT on all", "accuracy", "sft", 0.05),
        Claim("HPT is 2 points above SFT and then Dr. GRPO", "accuracy", "sft-then-rl", 0.02),
    ),
)
