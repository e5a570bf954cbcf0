"""SafeRoute on toy safety: the large guard's F1 from few questions, where the small guard is sure of itself and wrong.

Both guards are networks over bags of words (`BagGuard`). The small one (width 64) learned from requests without
cloaks; the large one (width 128) from all families. Routers learn on requests that no guard saw, and are measured on
held-out ones: each sends the same share of them, those with its highest scores, to the large guard (f1@10 is at 10
%). Arms: SafeRoute; the entropy of the small guard's ruling; a random choice; either guard alone (its f1 at every
share); the oracle, which knows where the large guard mends something; and the control, SafeRoute with its labels
shuffled. `routed` and `f1` are those at the router's own threshold.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from steelyard.core import Prompt, derive, rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.guard import BagGuard, Cascade, Gate, Ruling, SafeRoute, f1, needs_large
from steelyard.worlds.safety import ToySafety

SHARES = (10, 20, 30)
By = Literal["gate", "shuffled labels", "entropy", "chance", "truth", "nothing"]
"""What says which requests the large guard is asked about; by nothing, all or none are."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: ToySafety
    steps: int = 1500
    """That each guard learns for."""


@dataclass(frozen=True)
class Routing:
    """Which requests an arm sends to the large guard."""

    by: By
    gate: SafeRoute = field(default_factory=SafeRoute)
    """Where it is by a gate."""
    large: bool = False
    """All requests go to the large guard, where it is by nothing."""


ARMS = {
    "small": Routing("nothing"),
    "large": Routing("nothing", large=True),
    "saferoute": Routing("gate"),
    "saferoute-off": Routing("shuffled labels"),
    "entropy": Routing("entropy"),
    "random": Routing("chance"),
    "oracle": Routing("truth"),
}


def labelled(prompts: Sequence[Prompt]) -> tuple[list[str], Bool[Tensor, "N"]]:
    """The requests, and what the rule says of them."""
    return [str(p.text) for p in prompts], torch.tensor([bool(p.columns["harm"]) for p in prompts])


class Court:
    """Two guards, requests that neither saw for the router to learn on, and held-out ones."""

    def __init__(self, task: ToySafety, seed: int, steps: int) -> None:
        self.seed = seed
        train = list(task.prompts("train"))
        for_guards = train[: len(train) // 2]
        self.small, self.large = guards(task, for_guards, seed, steps)
        self.texts, self.truth_N = labelled(train[len(train) // 2 :])
        self.asked, self.asked_truth_N = labelled(task.prompts("held-out"))

    @cached_property
    def says(self) -> tuple[Ruling, Ruling]:
        """What either guard says of the held-out requests."""
        return self.small(self.asked), self.large(self.asked)

    def gate(self, routing: Routing) -> Gate:
        """A router that has learned when the small guard is wrong and the large one right."""
        said = self.small(self.texts)
        right_N = (said.harm_N >= 0.5) == self.truth_N
        large_right_N = (self.large(self.texts).harm_N >= 0.5) == self.truth_N
        if routing.by == "shuffled labels":
            order = rng(self.seed, "shuffle").permutation(len(self.texts))
            right_N = right_N[order]
            large_right_N = large_right_N[order]
        return routing.gate.fit(said.state_ND, right_N, large_right_N, seed=self.seed)

    def score(self, routing: Routing) -> Tensor:
        """How much each held-out request wants the large guard, [N]."""
        small, large = self.says
        if routing.by == "entropy":
            return -(small.harm_N - 0.5).abs()
        if routing.by == "chance":
            return torch.from_numpy(rng(self.seed, "random").random(len(self.asked)))
        if routing.by == "truth":
            right = [(one.harm_N >= 0.5) == self.asked_truth_N for one in (small, large)]
            return needs_large(*right).float()
        return self.gate(routing).score(small.state_ND)

    def f1_of(self, routed_N: Bool[Tensor, "N"]) -> float:
        """The F1 where these requests go to the large guard."""
        small, large = self.says
        return f1(torch.where(routed_N, large.harm_N >= 0.5, small.harm_N >= 0.5), self.asked_truth_N)


def guards(task: ToySafety, prompts: Sequence[Prompt], seed: int, steps: int) -> tuple[BagGuard, BagGuard]:
    """The small guard, which never saw a cloak, and the large one."""
    words = [word for kind in task.lexicon.words.values() for word in kind]
    known = [p for p in prompts if p.columns["family"] in ("plain", "permitted")]
    seen, _ = labelled(prompts)
    small = BagGuard(words, width=64, seed=derive(seed, "small"))
    large = BagGuard(words, width=128, seed=derive(seed, "large"))
    return (
        small.fit(*labelled(known), seen, steps=steps, seed=seed),
        large.fit(*labelled(prompts), seen, steps=steps, seed=seed),
    )


def measured(court: Court, routing: Routing) -> dict[str, float]:
    """F1 at each share of requests that go to the large guard, and for a gate at its own threshold."""
    number = len(court.asked)
    if routing.by == "nothing":
        return {f"f1@{share}": court.f1_of(torch.full((number,), routing.large)) for share in SHARES}
    order = np.argsort(-court.score(routing).numpy(), kind="stable")
    row = {}
    for share in SHARES:
        routed_N = torch.zeros(number, dtype=torch.bool)
        routed_N[order[: number * share // 100].tolist()] = True
        row[f"f1@{share}"] = court.f1_of(routed_N)
    if routing.by == "gate":
        gate = court.gate(routing)
        ruled_N = Cascade(court.small, court.large, gate)(court.asked).harm_N >= 0.5
        routed_N = gate.routes(court.says[0].state_ND)
        row |= {"f1": f1(ruled_N, court.asked_truth_N), "routed": float(routed_N.float().mean())}
    return row


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Routing]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The guards, then each way to choose between them."""
    court = Court(replace(setting.world, data_seed=seed), seed, setting.steps)
    size = float(sum(p.numel() for p in court.large.parameters()))
    for arm in arms:
        yield arm.name, measured(court, arm.settings) | {"parameters": size}


PROOF = Proof(
    proves=("saferoute",),
    ours="saferoute",
    control="saferoute-off",
    equal="both guards and what they say, and at each share the number of requests sent to the large one",
    claims=(
        Claim(
            "With 30 % routed, F1 is within 2 points of the large guard's",
            "f1@30",
            baseline="large",
            min_effect=-0.02,
            control="saferoute-off",
        ),
        Claim("With 20 % routed, F1 is 5 points above routing by entropy", "f1@20", "entropy", min_effect=0.05),
        Claim("With 20 % routed, F1 is 10 points above a random choice", "f1@20", "random", min_effect=0.1),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(ToySafety(requests=20_000)),
    quick=Setting(ToySafety(requests=12_000), steps=1000),
)
