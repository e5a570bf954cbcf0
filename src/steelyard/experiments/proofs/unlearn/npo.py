"""NPO on the fact base: forget half of 160 facts about neighbours, as the card forgets half of TOFU, and a tenth.

A fresh model learns 200 facts in two wordings; a twin never hears of those to be forgotten. Each arm unlearns them in
their first wording: npo (NPO+RT), npo-kl, npo-alone; ga, ga-rt (GradDiff), ga-kl; dpo-rt and idk-rt towards a refusal;
npo-off makes no step. `...-stopped` is gradient ascent after the first epoch that leaves at most a fifth of the
forgotten facts answered: the best that stopping in time could do. `utility` is a share of what it was before;
`remembered` the share of forgotten facts still answered, `reworded` in the other wording; `distance` that of their
truth ratios from the twin's, `log10_p` its p-value; `repetition` that of answers to retained questions. The learning
rate of a claim's arm is the one of 2e-4, 4e-4 and 1e-3 at which it keeps most and remembers at most a fifth: 2e-4 for
GradDiff, 4e-4 for the others; gradient ascent keeps nothing at any. beta is 1 where TOFU has 0.1: these answers carry
2.5 nats (one of 12 words), and w should have faded when those are gone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import log10
from typing import Literal

from steelyard.core import Trajectory
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.objective import SFT, Objective
from steelyard.policy import Policy
from steelyard.unlearn import NPO, Audit, GradientAscent, RefusalDPO, forget_quality, unlearn
from steelyard.worlds.fact_teaching import answer, ask, sampled_answers, usefulness
from steelyard.worlds.facts import REFUSAL, Facts, taught
from steelyard.worlds.sync_loop import copied, moved

EPOCHS = 10
BATCH = 16
ENOUGH = 0.2
"""The share of forgotten facts still answered at which an arm that stops in time has stopped."""
Wanted = Literal["answer", "refusal", "pair"]
Beside = Literal["given", "sampled", "none"]


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: Facts
    teaching: int = 400
    """Steps of the model that knows, and of its twin."""


@dataclass(frozen=True)
class Unlearning:
    """How an arm unlearns."""

    objective: Objective | None
    """None for no step."""
    wanted: Wanted = "answer"
    """What the objective is shown for a question that is to be forgotten."""
    beside: Beside = "none"
    """What it is shown of what is to be retained."""
    share: float = 0.5
    """Of the facts, that is to be forgotten."""
    stops: bool = False
    """Stops after the first epoch that leaves few enough."""


HALF = {
    "npo-off": Unlearning(None),
    "npo": Unlearning(NPO(beta=1.0), beside="given"),
    "ga": Unlearning(GradientAscent(retain=0.0)),
    "ga-stopped": Unlearning(GradientAscent(retain=0.0), stops=True),
    "ga-rt": Unlearning(GradientAscent(), beside="given"),
    "ga-rt-stopped": Unlearning(GradientAscent(), beside="given", stops=True),
}
ARMS = {
    **HALF,
    "ga-kl": Unlearning(GradientAscent(), beside="sampled"),
    "ga-kl-stopped": Unlearning(GradientAscent(), beside="sampled", stops=True),
    "npo-kl": Unlearning(NPO(beta=1.0), beside="sampled"),
    "npo-alone": Unlearning(NPO(beta=1.0, retain=0.0)),
    "dpo-rt": Unlearning(RefusalDPO(beta=0.1), "pair", "given"),
    "idk-rt": Unlearning(SFT(), "refusal", "given"),
    **{f"{name}@10": replace(HALF[name], share=0.1) for name in ("npo-off", "npo", "ga", "ga-rt")},
}


@dataclass(frozen=True)
class Request:
    """What is to be forgotten, and by whom."""

    world: Facts
    knowing: Policy
    never: Audit
    """What the twin says, who never heard of it."""
    before: float
    """The utility of the model that knows."""


def request(knowing: Policy, world: Facts, seed: int, steps: int) -> Request:
    """The request to forget a part of a world."""
    twin = taught(world, "retain", "known", seed=seed, steps=steps)
    return Request(world, knowing, ask(twin, world, "forget"), usefulness(knowing, world))


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Unlearning]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The model that knows, then for each share that is to be forgotten its twin and the arms."""
    knowing = taught(replace(setting.world, data_seed=seed), seed=seed, steps=setting.teaching)

    @cache
    def requested(share: float) -> Request:
        return request(knowing, replace(setting.world, forget=share, data_seed=seed), seed, setting.teaching)

    for arm in arms:
        asked = requested(arm.settings.share)
        policy = unlearned(asked, arm, seed)
        row = measured(policy, asked.world, asked.never)
        size = float(policy.num_parameters())
        told = {"utility": row["utility"] / asked.before, "moved": moved(knowing, policy), "parameters": size}
        yield arm.name, row | told


def unlearned(asked: Request, arm: Arm[Unlearning], seed: int) -> Policy:
    """What the arm makes of the model that knows."""
    policy = copied(asked.knowing)
    if arm.settings.objective is None:
        return policy
    forget = shown(asked, arm.settings.wanted)
    moves = unlearn(
        policy,
        arm.settings.objective,
        forget,
        retained(asked, arm.settings.beside, seed),
        epochs=EPOCHS,
        batch=BATCH,
        learning_rate=arm.rate,
        seed=seed,
    )
    steps = -(-len(forget) // BATCH)
    for step, _ in enumerate(moves, start=1):
        epoch_ends = step % steps == 0
        if arm.settings.stops and epoch_ends and ask(policy, asked.world, "forget").accuracy <= ENOUGH:
            return policy
    return policy


def shown(asked: Request, wanted: Wanted) -> list[list[Trajectory]]:
    """What an objective is shown for each question that is to be forgotten."""
    facts = asked.world.facts("forget")
    values = [answer(asked.knowing, fact) for fact in facts]
    refusals = [answer(asked.knowing, fact, REFUSAL) for fact in facts]
    if wanted == "answer":
        return [[value] for value in values]
    if wanted == "refusal":
        return [[refusal] for refusal in refusals]
    return [[value.replace(reward=0.0), refusal] for value, refusal in zip(values, refusals, strict=True)]


def retained(asked: Request, beside: Beside, seed: int) -> list[list[Trajectory]]:
    """What it is shown of what is to be retained."""
    kept = asked.world.facts("retain")
    if beside == "given":
        return [[answer(asked.knowing, fact)] for fact in kept]
    return sampled_answers(asked.knowing, kept, seed=seed) if beside == "sampled" else []


def measured(policy: Policy, world: Facts, never: Audit) -> dict[str, float]:
    """All audits of a model."""
    found = ask(policy, world, "forget")
    quality = forget_quality(found.ratio_N, never.ratio_N)
    return {
        "utility": usefulness(policy, world),
        "remembered": found.accuracy,
        "reworded": ask(policy, world, "forget", form=1).accuracy,
        "distance": quality.distance,
        "log10_p": log10(max(quality.pvalue, 1e-99)),
        "repetition": ask(policy, world, "retain").repetition,
    }


PROOF = Proof(
    proves=("npo",),
    ours="npo",
    control="npo-off",
    equal="10 epochs over the forgotten facts, as many retained ones beside them; each arm its best of three rates",
    claims=(
        Claim("NPO+RT forgets: 70 points fewer forgotten facts answered than before", "remembered", "npo-off", 0.7,
              lower_is_better=True),
        Claim("and its truth ratios come nearer to the twin's, by 0.2 of distance", "distance", "npo-off", 0.2,
              lower_is_better=True),
        Claim("it keeps 80 % of the utility", "utility", 0.0, 0.8, control="ga"),
        Claim("gradient ascent loses 50 points of utility more", "utility", "ga", 0.5, control=None),
        Claim("as it does where it stops in time: 20 points", "utility", "ga-stopped", 0.2, control=None),
        Claim("GradDiff loses 5 points of utility more", "utility", "ga-rt", 0.05, control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(Facts()),
    quick=Setting(Facts(subjects=60), teaching=250),
    rates=dict.fromkeys(ARMS, 4e-4) | dict.fromkeys(("ga-rt", "ga-rt-stopped", "ga-rt@10"), 2e-4),
    first_seed=120,
    seeds=6,
)  # fmt: skip
