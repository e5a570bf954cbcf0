"""HPT on sums whose longer half the base model never solves, with a worked solution for every training problem.

A small base model works sums of two to four terms out, mostly rightly, and has only ever seen sums of five to seven terms
given up. All arms go on from it over the same prompts in the same order, as many steps with as many rows: Dr. GRPO on
own samples (`dr-grpo`); SFT on the demonstrations, each prompt's as often as others sample it (`sft`); SFT for the first
half and Dr. GRPO for the second (`sft-then-rl`); HPT; and HPT with its gate shut (`hpt-off`, the control), which is
Dr. GRPO again. `accuracy` is the share of right samples on held-out problems of all domains, `hard` that of the longer
half, `greedy` the first without sampling; `imitated_late` is the share of prompts that HPT learned from a demonstration
in its last tenth, and `imitated_early` in its first. In runs on other seeds each arm had the best of three learning rates.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from steelyard.core import Prompt, derive, stream
from steelyard.learner import demonstrations_of
from steelyard.objective import HPT, SFT, DrGRPO, Objective
from steelyard.policy import Policy
from steelyard.recipes.lab import Lab, imitate, tiny_policy
from steelyard.task import Domains
from steelyard.task.domains import CHARACTERS, GIVEN_UP, solution

EASY = 4  # terms
STEPS, PROMPTS, SAMPLES, LENGTH = 150, 24, 8, 14
RATES = {"dr-grpo": 1e-3, "sft": 1e-3, "sft-then-rl": 1e-3, "hpt": 1e-3, "hpt-off": 1e-3}
RL = DrGRPO(importance_ratio=False, max_length=LENGTH)


def base_model(task: Domains, seed: int, steps: int) -> Policy:
    """Has learned to work all sums out, and then to give every long one up."""
    tokens, draws = derive(seed, "base") % 2**31, stream(seed, "base")
    policy, prompts = tiny_policy(CHARACTERS, seed=tokens, width=32, context=40), task.prompts("train")
    for longest, number, rate in ((task.most, steps, 6e-3), (EASY, steps // 4, 2e-3)):
        shown = [(str(p.text), solution(p) if p.columns["domain"] <= longest else GIVEN_UP) for p in prompts]
        drawn = [shown[i] for i in draws.integers(len(shown), size=6000)]
        imitate(policy, drawn, steps=number, batch=64, learning_rate=rate, seed=seed)
    return policy


def scores(lab: Lab) -> dict[str, float]:
    """Right samples on held-out problems."""
    prompts = lab.task.prompts("held-out")
    rewards = {p.id: np.mean([t.reward for t in g]) for p, g in zip(prompts, lab.sampled(prompts, 4), strict=True)}
    hard = [rewards[p.id] for p in prompts if p.columns["domain"] > EASY]
    return {
        "accuracy": float(np.mean([*rewards.values()])), "hard": float(np.mean(hard)), "greedy": lab.accuracy(prompts)
    }  # fmt: skip


class Course:
    """The steps of one arm."""

    def __init__(self, base: Policy, task: Domains, seed: int, steps: int) -> None:
        self.base, self.task, self.seed, self.steps = base, task, seed, steps
        self.given = demonstrations_of(task, task.prompts("train"), base)

    def prompts(self, step: int) -> list[Prompt]:
        """A step's prompts, the same for all arms."""
        train = self.task.prompts("train")
        return [train[i] for i in stream(self.seed, "order", step).choice(len(train), PROMPTS, replace=False)]

    def lab(self, arm: str, objective: Objective, base: Policy | None = None) -> Lab:
        """A laboratory that begins at the base."""
        return Lab(base or self.base, self.task, objective, learning_rate=RATES[arm], seed=self.seed,
                   num_generations=SAMPLES, max_tokens=LENGTH,
                   demonstrations=self.given if isinstance(objective, HPT) else None)  # fmt: skip

    def imitation(self, arm: str, steps: range) -> Lab:
        """SFT, each step with as many rows as others sample."""
        lab = self.lab(arm, SFT())
        for step in steps:
            lab.learn([[self.given[p.id]] * SAMPLES for p in self.prompts(step)])
        return lab

    def sampling(self, lab: Lab, steps: range) -> tuple[Lab, list[float]]:
        """Steps on own samples; also the shares of prompts that were imitated."""
        rows = [lab.learn(lab.sample(self.prompts(step))) for step in steps]
        return lab, [row.get("objective/imitated", 0.0) for row in rows]


def measure(seed: int, quick: bool) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base, then each arm from it."""
    task = Domains(problems=60, held_out=40, data_seed=seed)
    base = base_model(Domains(problems=400, held_out=1, data_seed=seed), seed, 300 if quick else 600)
    course = Course(base, task, seed, 30 if quick else STEPS)
    whole, half = range(course.steps), course.steps // 2
    yield "base", scores(course.lab("dr-grpo", RL))
    yield "dr-grpo", scores(course.sampling(course.lab("dr-grpo", RL), whole)[0])
    yield "sft", scores(course.imitation("sft", whole))
    first = course.imitation("sft-then-rl", whole[:half])
    yield "sft-then-rl", scores(course.sampling(course.lab("sft-then-rl", RL, first.policy), whole[half:])[0])
    for arm, gamma in (("hpt", 0.0), ("hpt-off", -1.0)):
        lab, imitated = course.sampling(course.lab(arm, HPT(gamma=gamma, max_length=LENGTH)), whole)
        ends = {"imitated_early": imitated[: half // 5], "imitated_late": imitated[-(half // 5) :]}
        yield arm, {**scores(lab), **{name: float(np.mean(part)) for name, part in ends.items()}}
