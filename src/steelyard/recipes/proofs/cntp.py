"""Cautious next-token prediction against plain sampling at temperature 1.2, on sums worked out in four ways.

The shipped arithmetic model first imitates the task's four worked ways, each as often as the others, so that one
problem has several right completions. Then nothing is learned: every arm completes the same held-out problems, eight
times each, with the same weights at temperature 1.2. The arms are plain sampling; CNTP with its published settings;
CNTP with at most one trial (the control: plain sampling again, of another seed); greedy; and as information the paper's
baseline of as many trials everywhere, and the majority of as many plain samples as cost what CNTP does. `accuracy` is
the share of right completions, `distinct` the number of different ones among a problem's samples, and `cost` the
forward passes for a completion over those of plain sampling.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from steelyard.core import Engine, Episode, Prompt, Request, Sampling, Trajectory, stream
from steelyard.decode import CNTP
from steelyard.policy import Policy
from steelyard.recipes.lab import copied, imitate
from steelyard.recipes.proving import Claim, Proof
from steelyard.rollout import TrialEngine, engine_for
from steelyard.task import Arithmetic
from steelyard.task.arithmetic import STYLES, draw_terms, is_held_out, problem, solution

SAMPLES, SAMPLING = 8, Sampling(temperature=1.2, max_tokens=24)
WORKED = [style for style in STYLES if style != "bare"]
RULES = {"cntp": CNTP(), "one-trial": CNTP(n_max=1), "fixed": CNTP(n_min=5, n_max=5)}
Groups = Sequence[Sequence[Trajectory]]


def measure(seed: int, quick: bool) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The model, then each way to complete the same problems."""
    torch.set_num_threads(1)
    task = Arithmetic(problems=1, held_out=32 if quick else 128, data_seed=seed)
    prompts, policy = list(task.prompts("held-out")), worked(seed, steps=100 if quick else 200)
    plain = complete(engine_for(copied(policy), seed), policy, prompts, SAMPLES)
    passes = np.mean([len(t.completion_T) for group in plain for t in group])
    yield "plain", {**quality(policy, task, prompts, plain), "cost": 1.0}
    costs = {}
    for arm, rule in RULES.items():
        groups = complete(TrialEngine(copied(policy), rule, seed + 1), policy, prompts, SAMPLES)
        costs[arm] = float(np.mean([t.info["forwards"] for group in groups for t in group]) / passes)
        yield arm, {**quality(policy, task, prompts, groups), "cost": costs[arm]}
    greedy = complete(engine_for(copied(policy), seed), policy, prompts, 1, replace(SAMPLING, temperature=0.0))
    yield "greedy", {**quality(policy, task, prompts, greedy), "cost": 1.0}
    number = max(1, round(costs["cntp"]))
    many = complete(engine_for(copied(policy), seed + 2), policy, prompts, number)
    yield "majority", {"accuracy": majority(policy, prompts, many), "cost": float(number)}


def worked(seed: int, steps: int) -> Policy:
    """The shipped model after it has imitated worked solutions of problems that are not held out."""
    policy, draws = Policy.load("steelyard/arithmetic"), stream(seed, "cntp")
    terms = [row for row in draw_terms(draws, 5000).tolist() if not is_held_out(problem(row))]
    pairs = [(problem(row), solution(WORKED[i % len(WORKED)], row)) for i, row in enumerate(terms)]
    imitate(policy, pairs, steps=steps, batch=64, learning_rate=1e-3, seed=seed)
    return policy


def complete(
    engine: Engine, policy: Policy, prompts: Sequence[Prompt], samples: int, sampling: Sampling = SAMPLING
) -> list[list[Trajectory]]:
    """So many completions of each problem."""
    asked = [Request(p.id, tuple(policy.encode(p.text)), s) for p in prompts for s in range(samples)]
    groups: dict[str, list[Trajectory]] = {p.id: [] for p in prompts}
    for trajectory in engine.generate(asked, sampling):
        groups[trajectory.prompt_id].append(trajectory)
    return list(groups.values())


def quality(policy: Policy, task: Arithmetic, prompts: Sequence[Prompt], groups: Groups) -> dict[str, float]:
    """How many completions are right, and how many different ones a problem has."""
    flat = [(prompt, t) for prompt, group in zip(prompts, groups, strict=True) for t in group]
    said = [Episode(prompt, policy.decode(t.completion_T), t) for prompt, t in flat]
    right = float(np.mean([score.value == 1 for score in task.score(said)]))
    return {"accuracy": right, "distinct": len({(e.prompt.id, e.completion) for e in said}) / len(prompts)}


def majority(policy: Policy, prompts: Sequence[Prompt], groups: Groups) -> float:
    """Share of problems whose most frequent result, after the last `=`, is right; the first of equals."""
    said = [Counter(policy.decode(t.completion_T).rpartition("=")[2] for t in group) for group in groups]
    right = [c.most_common(1)[0][0] == str(p.columns["answer"]) for p, c in zip(prompts, said, strict=True)]
    return float(np.mean(right))


PROOF = Proof(
    ours="cntp",
    control="one-trial",
    equal="the same weights, problems, temperature 1.2 and samples of each; forward passes are counted, not equal",
    claims=(
        Claim("CNTP is 3 points more accurate than plain sampling", "accuracy", baseline="plain", least=0.03),
        Claim("CNTP gives half a completion more than greedy's one", "distinct", baseline="greedy", least=0.5),
        Claim("CNTP costs at most five times plain sampling", "cost", baseline=5.0, least=0.0, lower_is_better=True),
    ),
    measure=measure,
)
