"""ECO on the fact base: half of the facts about neighbours are forgotten without a change of the weights.

A fresh model learns the facts in two wordings; a twin never hears of those to be forgotten. Each arm gets the facts to
be forgotten and to be retained in their first wording: eco; npo (NPO+RT) and ga-rt (GradDiff), as in the proof of NPO;
eco-off, whose gate is told the same prompts with the two kinds mixed, so that it knows nothing of the request; and
before, which does nothing. `remembered` is the share of forgotten facts still answered, `reworded` in the other
wording, which the gate was not shown; `utility` is a share of what it was before, and counts general knowledge, which
the gate was not shown either; `distance` is that of the truth ratios of forgotten facts from the twin's.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from steelyard.core import Prompt
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.experiments.harness.metric import share
from steelyard.objective import Objective
from steelyard.policy import Policy
from steelyard.task.answered import Answered
from steelyard.unlearn import ECO, NPO, Audit, GradientAscent, forget_quality, unlearn
from steelyard.worlds.fact_teaching import answer, ask, usefulness
from steelyard.worlds.facts import Fact, Facts, taught
from steelyard.worlds.sync_loop import copied


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: Facts
    teaching: int
    """Steps of the model that knows, and of its twin."""
    epochs: int = 10
    """Of the arms that learn."""
    batch: int = 16


@dataclass(frozen=True)
class Forgets:
    """How an arm forgets."""

    method: ECO | Objective | None
    """None does nothing."""
    mixed: bool = False
    """The gate learns from rows whose kinds are mixed."""


ARMS = {
    "before": Forgets(None),
    "eco": Forgets(ECO()),
    "eco-off": Forgets(ECO(), mixed=True),
    "npo": Forgets(NPO(beta=1.0)),
    "ga-rt": Forgets(GradientAscent()),
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


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Forgets]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The model that knows, its twin, and each arm."""
    world = replace(setting.world, data_seed=seed)
    knowing = taught(world, seed=seed, steps=setting.teaching)
    twin = taught(world, "retain", "known", seed=seed, steps=setting.teaching)
    request = Request(world, knowing, ask(twin, world, "forget"), usefulness(knowing, world))
    for arm in arms:
        policy = forgotten(request, setting, arm, seed)
        yield arm.name, measured(policy, request) | {"parameters": float(policy.num_parameters())}


def forgotten(request: Request, setting: Setting, arm: Arm[Forgets], seed: int) -> Policy:
    """What the arm makes of the model that knows."""
    policy = copied(request.knowing)
    forget, retain = (request.world.facts(part) for part in ("forget", "retain"))
    how = arm.settings.method
    if how is None:
        return policy
    if not isinstance(how, ECO):
        groups = ([[answer(policy, fact)] for fact in facts] for facts in (forget, retain))
        sizes = {"epochs": setting.epochs, "batch": setting.batch, "learning_rate": arm.rate}
        for _ in unlearn(policy, how, *groups, **sizes, seed=seed):
            pass
        return policy
    rows, others = [answered(fact) for fact in forget], [answered(fact) for fact in retain]
    if arm.settings.mixed:
        rows, others = [*rows[::2], *others[::2]], [*rows[1::2], *others[1::2]]
    fit = how.begin(policy, rows, others, seed=seed)
    while fit.steps < fit.num_steps:
        fit.step()
    return policy


def answered(fact: Fact) -> Answered:
    """A fact in its first wording."""
    return Answered(Prompt(fact.question(), fact.question()), fact.value, fact.wrong[:5])


def measured(policy: Policy, request: Request) -> dict[str, float]:
    """All audits of a model."""
    found = ask(policy, request.world, "forget")
    number = len(found.ratio_N)
    reworded = ask(policy, request.world, "forget", form=1).accuracy
    return {
        **share("remembered", round(found.accuracy * number), number),
        **share("reworded", round(reworded * number), number),
        "utility": usefulness(policy, request.world) / request.before,
        "distance": forget_quality(found.ratio_N, request.never.ratio_N).distance,
    }


PROOF = Proof(
    proves=("eco",),
    ours="eco",
    control="eco-off",
    equal="the model and the rows to forget and to retain; those that learn: ten epochs over them, each its best rate",
    claims=(
        Claim("ECO forgets: 70 points fewer facts answered than before", "remembered", "before", 0.7,
              lower_is_better=True),
        Claim("it keeps 97 % of the utility", "utility", 0.0, 0.97, control="ga-rt"),
        Claim("which is 2 points more than NPO keeps", "utility", "npo", 0.02),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(Facts(subjects=60), teaching=250),
    quick=Setting(Facts(subjects=40), teaching=150),
    rates={"npo": 4e-4, "ga-rt": 2e-4},
    first_seed=10,
    seeds=12,
)  # fmt: skip
