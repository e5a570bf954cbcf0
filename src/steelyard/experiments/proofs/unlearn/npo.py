"""NPO on the fact base: forget half of 160 facts about neighbours, as the card forgets half of TOFU, and a tenth.

A fresh model learns 200 facts in two wordings; a twin never hears of those to be forgotten. Each arm unlearns them in
their first wording: npo (NPO+RT), npo-kl, npo-alone; ga, ga-rt (GradDiff), ga-kl; dpo-rt and idk-rt towards a refusal;
npo-off makes no step. `...-stopped` is gradient ascent after the first epoch that leaves at most a fifth of the
forgotten facts answered: the best that stopping in time could do. `utility` is a share of what it was before;
`remembered` the share of forgotten facts still answered, `reworded` in the other wording; `distance` that of their
truth ratios from the twin's, `log10_p` its p-value; `repetition` that of answers to retained questions. The learning
rate is the one of 2e-4, 4e-4 and 1e-3 at which npo, and at which ga-rt, keeps most and remembers at most a fifth. beta
is 1 where TOFU has 0.1: these answers carry 2.5 nats (one of 12 words), and w should have faded when those are gone.
"""

from collections.abc import Iterator, Mapping
from math import log10

from steelyard.experiments.harness import Claim, Proof
from steelyard.objective import SFT, Objective
from steelyard.policy import Policy
from steelyard.unlearn import NPO, Audit, GradientAscent, RefusalDPO, forget_quality, unlearn
from steelyard.worlds.fact_teaching import answer, ask, sampled_answers, taught, usefulness
from steelyard.worlds.facts import REFUSAL, Facts
from steelyard.worlds.sync_loop import copied

ARMS: Mapping[str, tuple[Objective, str, str]] = {
    "npo": (NPO(beta=1.0), "answer", "given"),
    "ga": (GradientAscent(retain=0.0), "answer", "none"),
    "ga-rt": (GradientAscent(), "answer", "given"),
    "ga-kl": (GradientAscent(), "answer", "sampled"),
    "npo-kl": (NPO(beta=1.0), "answer", "sampled"),
    "npo-alone": (NPO(beta=1.0, retain=0.0), "answer", "none"),
    "dpo-rt": (RefusalDPO(beta=0.1), "pair", "given"),
    "idk-rt": (SFT(), "refusal", "given"),
}
FEW = ("npo", "ga", "ga-rt")
EPOCHS = 10
BATCH = 16


def measure(seed: int, quick: bool) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The model that knows, then for either request its twin and the arms."""
    steps = 250 if quick else 400
    half, tenth = (Facts(subjects=60 if quick else 100, forget=share, data_seed=seed) for share in (0.5, 0.1))
    knowing = taught(half, seed=seed, steps=steps)
    requests = ((half, "", FEW if quick else (*ARMS,)),) + (() if quick else ((tenth, "@10", FEW),))
    for world, suffix, arms in requests:
        twin = taught(world, "retain", "known", seed=seed, steps=steps)
        never = ask(twin, world, "forget")
        before = usefulness(knowing, world)
        for arm, policy in unlearned(knowing, world, arms, seed):
            row = measured(policy, world, never)
            yield f"{arm}{suffix}", row | {"utility": row["utility"] / before}


def unlearned(knowing: Policy, world: Facts, arms: tuple[str, ...], seed: int) -> Iterator[tuple[str, Policy]]:
    """The model that knows, and what each arm makes of it."""
    yield "npo-off", knowing
    kept = world.facts("retain")
    facts = world.facts("forget")
    values, refusals = ([[answer(knowing, fact, text)] for fact in facts] for text in (None, REFUSAL))
    pairs = [[value.replace(reward=0.0), refusal] for [value], [refusal] in zip(values, refusals, strict=True)]
    forget = {"answer": values, "refusal": refusals, "pair": pairs}
    given = [[answer(knowing, fact)] for fact in kept]
    sampled = sampled_answers(knowing, kept, seed=seed)
    retain = {"given": given, "sampled": sampled, "none": []}
    for arm in arms:
        (objective, wanted, beside) = ARMS[arm]
        policy = copied(knowing)
        steps = -(-len(facts) // BATCH)
        moves = unlearn(
            policy, objective, forget[wanted], retain[beside], epochs=EPOCHS, batch=BATCH, learning_rate=4e-4, seed=seed
        )
        stopped = not arm.startswith("ga")
        for step, _ in enumerate(moves, start=1):
            if not stopped and step % steps == 0 and ask(policy, world, "forget").accuracy <= 0.2:
                stopped = True
                yield f"{arm}-stopped", policy
        yield arm, policy


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
    equal="10 epochs over the forgotten facts, as many retained ones beside them, one learning rate",
    claims=(
        Claim("NPO+RT forgets: 70 points fewer forgotten facts answered than before", "remembered", "npo-off", 0.7,
              lower_is_better=True),
        Claim("and its truth ratios come nearer to the twin's, by 0.2 of distance", "distance", "npo-off", 0.2,
              lower_is_better=True),
        Claim("it keeps 80 % of the utility", "utility", 0.0, 0.8),
        Claim("gradient ascent loses 50 points of utility more", "utility", "ga", 0.5),
        Claim("as it does where it stops in time: 20 points", "utility", "ga-stopped", 0.2),
        Claim("GradDiff loses 5 points of utility more", "utility", "ga-rt", 0.05),
    ),
    measure=measure,
)  # fmt: skip
