"""Cautious next-token prediction against plain sampling at temperature 1.2, on sums worked step by step, in one way.

`CheckableSteps` are sums of five steps on a ten-hour clock; each step ends in `;`, and so does a continuation. A
tiny model, new for each seed, imitates worked sums of which one step in 25, at random, comes to some wrong digit. So at
every step it puts most on the right digit and a little on each other: it is right when greedy, and errs when sampled.
This builds in what the paper supposes: the model knows where it is unsure, and the likelier step is the right one. Then
nothing is learned: every arm completes the same held-out problems with the same weights. The arms are plain sampling;
CNTP with its published settings; CNTP with one trial (the control: plain sampling again, of another seed); greedy; and
as information as many trials everywhere, and the majority of the first three plain samples (two cannot outvote).
`accuracy` is the share of completions with the right end, `cost` the forward passes over those of plain sampling, and
`distinct` the number of different completions among sixteen. One of them at most is right: the others are errors.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import mode

import numpy as np

from steelyard.core import Engine, Episode, Request, Sampling, Trajectory, rng
from steelyard.decode import CNTP
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.policy import Policy
from steelyard.rollout import CandidateEngine, engine_for
from steelyard.worlds.checkable_steps import CLOCK, CheckableSteps
from steelyard.worlds.sync_loop import copied, imitate, tiny_policy

SAMPLES = 16
VOTES = 3
WRONG = 0.04
SAMPLING = Sampling(temperature=1.2, max_tokens=24)
Groups = Sequence[Sequence[Trajectory]]


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: CheckableSteps


@dataclass(frozen=True)
class Decoding:
    """How an arm completes a problem."""

    rule: CNTP | None = None
    """None for plain sampling."""
    greedy: bool = False
    vote: bool = False
    """The majority of the first plain samples."""


ARMS = {
    "plain": Decoding(),
    "cntp": Decoding(CNTP()),
    "one-trial": Decoding(CNTP(n_max=1)),
    "greedy": Decoding(greedy=True),
    "fixed": Decoding(CNTP(n_min=5, n_max=5)),
    "majority": Decoding(vote=True),
}


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Decoding]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The model, then each way to complete the same problems; all costs are shares of plain sampling's."""
    task = replace(setting.world, data_seed=seed)
    policy = base(task, seed)

    @cache
    def completed(way: Decoding) -> Groups:
        return complete(engine_of(way, policy, seed), policy, task, way)

    def cost(way: Decoding) -> float:
        return quality(policy, task, completed(way))["cost"]

    plain = Decoding()
    for arm in arms:
        way = arm.settings
        if way.vote:
            yield arm.name, {"accuracy": majority(policy, task, completed(plain)), "cost": float(VOTES)}
        else:
            row = quality(policy, task, completed(way))
            yield arm.name, row | {"cost": cost(way) / cost(plain), "parameters": float(policy.num_parameters())}


def engine_of(way: Decoding, policy: Policy, seed: int) -> Engine:
    """What completes; a rule's draws are others than those of plain sampling."""
    if way.rule is None:
        return engine_for(copied(policy), seed)
    return CandidateEngine(copied(policy), way.rule, seed + 1)


def base(task: CheckableSteps, seed: int) -> Policy:
    """A new model that has imitated worked sums, each problem three times with errors of its own."""
    policy = tiny_policy("0123456789+=;", seed=seed)
    draws = rng(seed, "cntp")
    pairs = [(str(p.text), worked(p.columns["numbers"], draws)) for _ in range(3) for p in task.prompts("train")]
    imitate(policy, pairs, steps=500, batch=64, learning_rate=4e-3, seed=seed)
    return policy


def worked(numbers: Sequence[int], draws: np.random.Generator) -> str:
    """A sum worked out; from a wrong digit the next step goes on."""
    text = ""
    at = numbers[-1]
    for term in numbers[:-1]:
        at = (at + term + (int(draws.integers(1, CLOCK)) if draws.random() < WRONG else 0)) % CLOCK
        text += f"{term}={at};"
    return text


def complete(engine: Engine, policy: Policy, task: CheckableSteps, way: Decoding) -> Groups:
    """The completions of each held-out problem, in order; a greedy one suffices."""
    ids = [p.id for p in task.prompts("held-out")]
    samples = 1 if way.greedy else SAMPLES
    asked = [Request(id, tuple(policy.encode(id)), s) for id in ids for s in range(samples)]
    sampling = replace(SAMPLING, temperature=0.0) if way.greedy else SAMPLING
    given = {(t.prompt_id, t.sample): t for t in engine.generate(asked, sampling)}
    return [[given[id, s] for s in range(samples)] for id in ids]


def quality(policy: Policy, task: CheckableSteps, groups: Groups) -> dict[str, float]:
    """How many completions are right, how many different ones a problem has, and forward passes for each."""
    pairs = [(p, t) for p, group in zip(task.prompts("held-out"), groups, strict=True) for t in group]
    said = [Episode.of(p, policy.decode(t.completion_T), t) for p, t in pairs]
    scores = task.score([replace(e, completion=e.completion.replace(";", "")) for e in said])
    distinct = len({(e.prompt.id, e.completion) for e in said}) / len(groups)
    cost = float(np.mean([t.info.get("forwards", len(t.completion_T)) for _, t in pairs]))
    return {"accuracy": float(np.mean([s.value == 1 for s in scores])), "distinct": distinct, "cost": cost}


def majority(policy: Policy, task: CheckableSteps, groups: Groups) -> float:
    """Share of problems to which most of the first samples have the right last digit; the first of equals."""
    said = [mode(policy.decode(t.completion_T)[-2:-1] for t in group[:VOTES]) for group in groups]
    return float(np.mean([s == str(p.columns["answer"]) for p, s in zip(task.prompts("held-out"), said, strict=True)]))


PROOF = Proof(
    proves=("cntp",),
    ours="cntp",
    control="one-trial",
    equal="the same weights, problems, temperature 1.2 and samples of each; forward passes are counted, not equal",
    claims=(
        Claim("CNTP is 3 points more accurate than plain sampling", "accuracy", baseline="plain", min_effect=0.03),
        Claim(
            "CNTP gives a quarter of a completion more than greedy", "distinct", "greedy", min_effect=0.25, control=None
        ),
        Claim(
            "CNTP costs at most five times plain sampling", "cost", baseline=5.0, min_effect=0.0, lower_is_better=True
        ),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(CheckableSteps(held_out=64)),
    quick=Setting(CheckableSteps(held_out=16)),
    first_seed=100,
    seeds=4,
)
