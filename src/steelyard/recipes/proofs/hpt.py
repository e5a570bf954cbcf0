"""HPT on sums whose longer half the base model never solves, with a worked solution for every training problem.

A small base model knows sums of two to four terms, by halves: it works half of them out and gives the others up, and has
only ever seen sums of five to seven terms given up. All arms draw the same prompts, make as many steps with as many
rows, and start from the base: Dr. GRPO on own samples, to which HPT reduces with its gate shut (also the control); SFT
on the demonstrations; SFT for the first half and Dr. GRPO for the second; HPT. `accuracy` is the mean greedy reward on
held-out problems of all domains, `hard` that of the longer half; `imitated_early` and `imitated_late` are the shares of
prompts that HPT learned from a demonstration in its first and last tenth.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from steelyard.core import Prompt, Trajectory, derive, stream
from steelyard.learner import demonstrations_of
from steelyard.objective import HPT, SFT, DrGRPO, Objective
from steelyard.policy import Policy
from steelyard.recipes.lab import Lab, imitate, tiny_policy
from steelyard.recipes.proving import Claim, Proof
from steelyard.task import Domains
from steelyard.task.domains import CHARACTERS, GIVEN_UP, solution

EASY = 4  # terms
STEPS, QUICK_STEPS, PROMPTS, SAMPLES, LENGTH = 150, 30, 24, 8, 14
Groups = Sequence[Sequence[Trajectory]]


def base_model(task: Domains, seed: int) -> Policy:
    """Works half of the short sums out; gives every long one up."""
    policy, draws = tiny_policy(CHARACTERS, seed=derive(seed, "base") % 2**31, width=32, context=40), stream(seed, "base")
    prompts = task.prompts("train")
    shown = [
        (str(p.text), solution(p) if p.columns["domain"] <= EASY and draws.random() < 0.5 else GIVEN_UP)
        for p in (prompts[i] for i in draws.integers(len(prompts), size=6000))
    ]
    imitate(policy, shown, steps=500, batch=64, learning_rate=6e-3, seed=seed)
    return policy


def scores(lab: Lab) -> dict[str, float]:
    """Greedy accuracy on held-out problems."""
    prompts = lab.task.prompts("held-out")
    hard = [p for p in prompts if p.columns["domain"] > EASY]
    return {"accuracy": lab.accuracy(prompts), "hard": lab.accuracy(hard)}


def measure(seed: int, quick: bool) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base, then each arm from it."""
    task = Domains(problems=80, held_out=40, data_seed=seed)
    base, prompts = base_model(task, seed), list(task.prompts("train"))
    given = demonstrations_of(task, prompts, base, 1.0)
    steps = QUICK_STEPS if quick else STEPS

    def run(objective: Objective, rate: float, draw: Callable[[Lab, int, list[Prompt]], Groups]) -> dict[str, float]:
        lab, order = lab_of(base, task, objective, rate, seed), stream(seed, "order")
        imitated = []
        for step in range(steps):
            row = lab.learn(draw(lab, step, [prompts[i] for i in order.integers(len(prompts), size=PROMPTS)]))
            imitated.append(row.get("objective/imitated", 0.0))
        tenth = steps // 10
        early, late = (float(np.mean(part)) for part in (imitated[:tenth], imitated[-tenth:]))
        return {**scores(lab), "imitated_early": early, "imitated_late": late}

    def own(lab: Lab, step: int, asked: list[Prompt]) -> Groups:
        return lab.sample(list({p.id: p for p in asked}.values()))

    def both(lab: Lab, step: int, asked: list[Prompt]) -> Groups:
        return [[*group, given[group[0].prompt_id]] for group in own(lab, step, asked)]

    def shown(lab: Lab, step: int, asked: list[Prompt]) -> Groups:
        return [[given[p.id]] for p in asked]

    yield "base", scores(lab_of(base, task, DrGRPO(), 0.0, seed))
    yield "dr-grpo", run(DrGRPO(importance_ratio=False, max_length=LENGTH), 5e-4, own)
    yield "sft", run(SFT(), 1e-3, shown)
    yield "hpt", run(HPT(max_length=LENGTH), 1e-3, both)
    yield "hpt-off", run(HPT(gamma=-1.0, max_length=LENGTH), 1e-3, both)


def lab_of(base: Policy, task: Domains, objective: Objective, rate: float, seed: int) -> Lab:
    """A laboratory that begins at the base."""
    return Lab(base, task, objective, learning_rate=rate, seed=seed, num_generations=SAMPLES, max_tokens=LENGTH)
