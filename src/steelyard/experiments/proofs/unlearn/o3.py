"""O3 on three requests, each to forget a domain of facts: what is forgotten in the end, and what is kept.

One model knows six domains. Three are requested in turn, each by its rows alone. Arms: o3; `lora`, the same adapter on
wrong answers with neither detectors nor the penalty; `grad-diff` and `npo`, which
change all weights and are shown the rows of one kept domain beside each request; and o3-off, which does nothing. Known
is a fact whose answer is the likeliest of four. After the last request `remembered` is how far beyond chance requested
facts are known in both wordings, as a share of what it was before; `reworded` is that in the wordings that no request
had; `kept` is that of facts to be kept, and `unseen` of those among them that nobody was shown. `balance` is kept less
remembered, and `still` the share of the kept facts that were known before and are known still. Every arm that learns
has the best of three rates or more.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool

from steelyard.core import Trajectory
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.learner import demonstration
from steelyard.objective import Objective
from steelyard.policy import Policy
from steelyard.policy.copied import copied
from steelyard.task.answered import Answered
from steelyard.unlearn import NPO, O3, GradientAscent, unlearn
from steelyard.unlearn.o3_detector import Detector
from steelyard.worlds.requests import VALUES, Requests, knows, taught


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: Requests = field(default_factory=Requests)
    teaching: int = 300
    """Steps of the model that knows all."""
    steps: int = 40
    """For each request, on all of its rows."""


ARMS: Mapping[str, O3 | Objective | None] = {
    "o3": O3(detector=Detector(detector_layers=2, detector_width=32, detector_steps=60)),
    "o3-off": None,
    "lora": O3(gated=False, orthogonal=0.0, detector=Detector(detector_layers=1, detector_width=8, detector_steps=1)),
    "grad-diff": GradientAscent(),
    "npo": NPO(beta=1.0),
}


def measure(
    seed: int, setting: Setting, arms: Iterable[Arm[O3 | Objective | None]]
) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The model that knows all, and what each arm makes of it."""
    world = replace(setting.world, data_seed=seed)
    knowing = taught(world, seed=seed, steps=setting.teaching)
    before = asked(knowing, world)
    for arm in arms:
        policy = copied(knowing)
        for domain in range(world.requests):
            forget(policy, world, domain, setting, arm, seed)
        after = asked(policy, world)
        left = {name: beyond_chance(after[name]) / beyond_chance(before[name]) for name in after}
        both = int((after["kept"] & before["kept"]).sum())
        row = left | share("still", both, int(before["kept"].sum())) | {"balance": left["kept"] - left["remembered"]}
        yield arm.name, row | {"parameters": float(policy.num_parameters())}


def forget(
    policy: Policy, world: Requests, domain: int, setting: Setting, arm: Arm[O3 | Objective | None], seed: int
) -> None:
    """One request, in place."""
    how, rows = arm.settings, world.request(domain)
    if how is None:
        return
    if isinstance(how, O3):
        fit = replace(how, steps=setting.steps, adapter_rate=arm.rate).begin(policy, rows, [], seed=seed)
        while fit.steps < fit.num_steps:
            fit.step()
        return
    marked = (rows, False), (world.request(world.requests), True)
    groups = ([[given(policy, row, kept)] for row in some] for some, kept in marked)
    sizes = {"epochs": setting.steps, "batch": len(rows), "learning_rate": arm.rate}
    for _ in unlearn(policy, how, *groups, **sizes, seed=seed + 1000 * domain):
        pass


def given(policy: Policy, row: Answered, kept: bool) -> Trajectory:
    """A row with its own answer."""
    return demonstration(policy, row.prompt, row.answer, reward=float(kept), labels={"retain": kept})


def asked(policy: Policy, world: Requests) -> dict[str, Bool[np.ndarray, "N"]]:
    """Which requested and which kept facts a model knows, in one wording and the other."""
    first, others = ([row for d in range(world.requests) for row in of(d)] for of in (world.request, world.reworded))
    kept, unseen = (
        [fact.row(form) for fact in world.facts(*range(start, world.domains)) for form in (0, 1)]
        for start in (world.requests, world.requests + 1)
    )
    rows = {"remembered": [*first, *others], "reworded": others, "kept": kept, "unseen": unseen}
    return {name: knows(policy, some) for name, some in rows.items()}


def beyond_chance(right_N: Bool[np.ndarray, "N"]) -> float:
    """How far the share of right answers is above that of guessing, from 0 to 1."""
    return max(0.0, float(right_N.mean()) - 1 / VALUES) / (1 - 1 / VALUES)


PROOF = Proof(
    proves=("o3",),
    ours="o3",
    control="o3-off",
    equal="the model, the requests and their rows, steps, rows in a step, as many rates tried for any as for o3",
    claims=(
        Claim("Kept less remembered is 15 points above GradDiff's, which sees a kept domain", "balance", "grad-diff",
              0.15),
        Claim("15 points above that of NPO, which is shown it too", "balance", "npo", 0.15),
        Claim("and 15 above that of plain adapters on wrong answers", "balance", "lora", 0.15),
        Claim("98 % of the facts to be kept that were known are known still", "still", 0.0, 0.98, control="lora"),
        Claim("and what is remembered beyond chance falls by 60 %", "remembered", "o3-off", 0.6, lower_is_better=True),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(teaching=200),
    rates={"o3": 3e-2, "lora": 3e-3, "grad-diff": 3e-4, "npo": 3e-4},
    seeds=5,
)  # fmt: skip
