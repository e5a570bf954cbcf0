"""HPT on sums whose longer half the base model never solves, with a worked solution for every training problem.

A small base model has learned to work sums of two to seven terms out, and then to give every sum of five or more up: it
solves none of those. All arms go on from it over the same prompts, as many steps with as many rows: Dr. GRPO on own
samples; SFT on the demonstrations, each as often as others sample its prompt; SFT for the first half and Dr. GRPO for
the second; HPT; and HPT with its gate shut (`hpt-off`, the control), which is Dr. GRPO again. `accuracy` is the share
of right samples on held-out problems, `hard` that of the longer half; `imitated` is the share of prompts that HPT
learned from a demonstration, in the first and in the last tenth of its steps.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from steelyard.core import Prompt, derive, rng
from steelyard.experiments.harness import Claim, Proof
from steelyard.learner import demonstrations_of
from steelyard.objective import HPT, SFT, DrGRPO, Objective
from steelyard.policy import Policy
from steelyard.worlds.domains import CHARACTERS, GIVEN_UP, Domains, solution
from steelyard.worlds.sync_loop import SyncLoop, imitate, tiny_policy

EASY = 4
STEPS = 80
PROMPTS = 24
SAMPLES = 8
LENGTH = 14
RATE = 3e-4  # an easy sum has at most 4 terms
RL = DrGRPO(importance_ratio=False, max_length=LENGTH)


def base_model(task: Domains, seed: int, steps: int) -> Policy:
    """Has learned to work all sums out, and then to give every long one up."""
    policy = tiny_policy(CHARACTERS, seed=derive(seed, "base") % 2**31, width=32, context=40)
    draws = rng(seed, "base")
    prompts = task.prompts("train")
    for longest, number, rate in ((task.most, steps, 6e-3), (EASY, steps // 4, 2e-3)):
        shown = [(str(p.text), solution(p) if p.columns["domain"] <= longest else GIVEN_UP) for p in prompts]
        shown = [shown[i] for i in draws.integers(len(shown), size=6000)]
        imitate(policy, shown, steps=number, batch=64, learning_rate=rate, seed=seed)
    return policy


def scores(loop: SyncLoop) -> dict[str, float]:
    """Right samples of held-out problems."""
    prompts = loop.task.prompts("held-out")
    right = np.array([np.mean([t.reward or 0 for t in group]) for group in loop.sampled(prompts, 4)])
    return {"accuracy": float(right.mean()), "hard": float(right[[p.columns["domain"] > EASY for p in prompts]].mean())}


class Course:
    """The steps of one arm."""

    def __init__(self, base: Policy, task: Domains, seed: int, steps: int) -> None:
        self.base = base
        self.task = task
        self.seed = seed
        self.steps = steps
        self.train = task.prompts("train")
        self.given = demonstrations_of(task, self.train, base)

    def prompts(self, step: int) -> list[Prompt]:
        """A step's prompts, the same for all arms."""
        return [self.train[i] for i in rng(self.seed, "order", step).permutation(len(self.train))[:PROMPTS]]

    def loop(self, objective: Objective, base: Policy | None = None) -> SyncLoop:
        """A laboratory that begins at the base."""
        return SyncLoop(
            base or self.base,
            self.task,
            objective,
            learning_rate=RATE,
            seed=self.seed,
            max_tokens=LENGTH,
            demonstrations=self.given if isinstance(objective, HPT) else None,
        )

    def imitation(self, steps: range) -> SyncLoop:
        """SFT, each step with as many rows as others sample."""
        loop = self.loop(SFT())
        for t in steps:
            loop.learn([[self.given[p.id]] * SAMPLES for p in self.prompts(t)])
        return loop

    def sampling(self, loop: SyncLoop, steps: range) -> tuple[SyncLoop, dict[str, float]]:
        """Steps on own samples; also how many prompts were imitated."""
        shares = [loop.learn(loop.sample(self.prompts(t))).get("objective/imitated", 0.0) for t in steps]
        tenth = max(1, len(shares) // 10)
        return loop, {"imitated": sum(shares[:tenth]) / tenth, "imitated_late": sum(shares[-tenth:]) / tenth}


def measure(seed: int, quick: bool) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base, then each arm from it."""
    task = Domains(problems=60, held_out=40, data_seed=seed)
    base = base_model(Domains(problems=400, held_out=1, data_seed=seed), seed, 200 if quick else 600)
    course = Course(base, task, seed, 16 if quick else STEPS)
    whole = range(course.steps)
    half = course.steps // 2
    yield "dr-grpo", scores(course.sampling(course.loop(RL), whole)[0])
    yield "sft", scores(course.imitation(whole))
    yield (
        "sft-then-rl",
        scores(course.sampling(course.loop(RL, course.imitation(whole[:half]).policy), whole[half:])[0]),
    )
    for arm, gamma in (("hpt", 0.0), ("hpt-off", -1.0)):
        loop, imitated = course.sampling(course.loop(HPT(gamma=gamma, max_length=LENGTH)), whole)
        yield arm, scores(loop) | imitated


PROOF = Proof(
    proves=("hpt",),
    ours="hpt",
    control="hpt-off",
    equal="base, prompts and their order, 80 steps of 24 x 8 rows, learning rate",
    measure=measure,
    claims=(
        Claim("HPT learns what Dr. GRPO cannot: 20 points on the longer half", "hard", "dr-grpo", 0.2),
        Claim("HPT is 2 points above SFT on all", "accuracy", "sft", 0.02),
        Claim("HPT is 2 points above SFT and then Dr. GRPO", "accuracy", "sft-then-rl", 0.02),
    ),
)
