"""ACU on toy safety: a head on a frozen guard's states forgets what permits are, in 30 requests of 20 rows.

The frozen model is a network over bags of words that learned from requests without permits; the head, on its states,
learned from others, of which a fifth have one. Then every request names 20 rows with a permit. Arms, which begin with
one head: acu; gradient ascent on the squared error of each request's rows, alone (`ga`) or with descent on as many
retained rows (`ga-retain`, which unlike acu must keep them), four steps each; and the control, which forgets as many
other rows. What all should come to is the head that never saw the rows: `digits` is
-log10 of the largest difference of a weight, at most 16, `same` the share of held-out requests on which both rule
alike, `same_permitted` that of requests with a permit. Either gradient has the best of three rates, which nobody could
choose who cannot retrain.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.nn.functional import one_hot

from steelyard.core import derive, rng
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.guard import ACU, BagGuard
from steelyard.guard.acu import AnalyticHead
from steelyard.worlds.safety import ToySafety

How = Literal["exact", "ascent", "ascent-retain", "others"]
ARMS: Mapping[str, How] = {
    "acu": "exact",
    "ga": "ascent",
    "ga-retain": "ascent-retain",
    "acu-off": "others",
}
STEPS = 4
"""Gradient steps of a request."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: ToySafety
    method: ACU = field(default_factory=ACU)
    requests: int = 30
    rows: int = 20
    """Of a request."""
    steps: int = 600
    """That the frozen model learned for."""


class Office:
    """The states of all requests of a seed, the head that learned, and what it is to forget."""

    def __init__(self, setting: Setting, seed: int) -> None:
        world = replace(setting.world, data_seed=seed)
        train = list(world.prompts("train"))
        half = len(train) // 2
        known = [p for p in train[:half] if p.columns["family"] == "plain"]
        words = [word for kind in world.lexicon.words.values() for word in kind]
        frozen = BagGuard(words, width=64, seed=derive(seed, "frozen"))
        harm = torch.tensor([bool(p.columns["harm"]) for p in known])
        frozen.fit([str(p.text) for p in known], harm, [str(p.text) for p in train], steps=setting.steps, seed=seed)
        asked = world.prompts("held-out")
        self.size = float(frozen.num_parameters)
        self.state_ND, self.asked_MD = (frozen([str(p.text) for p in some]).state_ND for some in (train[half:], asked))
        self.label_N = torch.tensor([int(p.columns["harm"]) for p in train[half:]])
        self.permitted_M = torch.tensor([p.columns["family"] == "permitted" for p in asked])
        self.truth_M = torch.tensor([int(p.columns["harm"]) for p in asked])
        permitted_N = torch.tensor([p.columns["family"] == "permitted" for p in train[half:]])
        number = setting.requests * setting.rows
        self.gone = permitted_N.nonzero().flatten()[:number]
        self.others = (~permitted_N).nonzero().flatten()[:number]
        self.kept = torch.tensor(sorted({*range(len(permitted_N))} - {*self.gone.tolist()}))
        self.setting = setting
        self.seed = seed

    def learned(self) -> AnalyticHead:
        """The head before any request."""
        head = self.setting.method.begin(self.state_ND.shape[1])
        head.learn(self.state_ND, self.label_N)
        return head

    def forgotten(self, how: How, rate: float) -> AnalyticHead:
        """The head after all requests."""
        head = self.learned()
        draws = rng(self.seed, "retain")
        gone = self.others if how == "others" else self.gone
        for of in gone.split(self.setting.rows):
            if how in ("exact", "others"):
                head.forget(self.state_ND[of], self.label_N[of])
                continue
            for _ in range(STEPS):
                head.weight_FC = head.weight_FC + rate * self._slope(head, of)
                if how == "ascent-retain":
                    beside = self.kept[draws.integers(len(self.kept), size=len(of))]
                    head.weight_FC = head.weight_FC - rate * self._slope(head, beside)
        return head

    def _slope(self, head: AnalyticHead, of: Int64[Tensor, "K"]) -> Float64[Tensor, "F C"]:
        """The gradient of the mean squared error on some rows."""
        x_KF = head.features(self.state_ND[of])
        return x_KF.T @ (x_KF @ head.weight_FC - one_hot(self.label_N[of], 2)) * (2 / len(of))

    def ruled(self, weight_FC: Float64[Tensor, "F C"]) -> Int64[Tensor, "M"]:
        """What weights say of the held-out requests."""
        return (self.learned().features(self.asked_MD) @ weight_FC).argmax(-1)


def measure(seed: int, setting: Setting, arms: Iterable[Arm[How]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm, beside the head that never saw the rows."""
    office = Office(setting, seed)
    retrained_FC = setting.method.retrained(office.state_ND[office.kept], office.label_N[office.kept])
    wanted_M = office.ruled(retrained_FC)
    for arm in arms:
        head = office.forgotten(arm.settings, arm.rate)
        ruled_M = office.ruled(head.weight_FC)
        same_M = ruled_M == wanted_M
        yield (
            arm.name,
            {
                "digits": digits(head.weight_FC - retrained_FC),
                **share("same", int(same_M.sum()), len(same_M)),
                **share("same_permitted", int(same_M[office.permitted_M].sum()), int(office.permitted_M.sum())),
                **share("accuracy", int((ruled_M == office.truth_M).sum()), len(same_M)),
                **share("retrained_accuracy", int((wanted_M == office.truth_M).sum()), len(same_M)),
                "forgotten": float(len(office.gone)),
                "parameters": office.size + head.num_parameters,
            },
        )


def digits(apart_FC: Float[Tensor, "F C"]) -> float:
    """-log10 of the largest difference, from -16 to 16: double precision has no more. What is no number is -16."""
    return float(-torch.log10(apart_FC.abs().nan_to_num(1e16).max().clamp(1e-16, 1e16)))


PROOF = Proof(
    proves=("acu",),
    ours="acu",
    control="acu-off",
    equal="frozen model, the head that learned, requests and their rows",
    claims=(
        Claim("After 30 requests every weight is that of retraining to 8 digits", "digits", 0.0, min_effect=8.0),
        Claim("5 digits more than by gradient ascent with retained rows", "digits", "ga-retain", min_effect=5.0),
        Claim("and 5 digits more than by gradient ascent alone", "digits", "ga", min_effect=5.0),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(ToySafety(10_000, cloaked_share=0.0, permitted_share=0.2)),
    quick=Setting(ToySafety(10_000, cloaked_share=0.0, permitted_share=0.2), steps=300),
    rates={"ga": 1e-3, "ga-retain": 1e-3},
)  # fmt: skip
