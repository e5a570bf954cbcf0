"""WL-AC on toy safety: three weak labellers, few strong labels, and a guard that reads bags of words.

The strong labels are the rule's. `blind` has never heard of permits, so it is wrong on each request that a permit alone
makes harmless, one in eight; `noisy` is wrong one time in ten, by chance, and `malicious` nine times in ten. Arms:
wl-ac with the blind labeller; the control, whose weak labels are the blind one's for other requests; `active`, without
a weak labeller; `noisy` and `malicious`, wl-ac with those. By held-out requests `accuracy`; `labels` is how many strong
labels were asked for, 420 at most, and `trusted` the share of the requests where the weak label counts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Prompt, derive, rng
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.guard import WLAC, BagGuard
from steelyard.worlds.safety import ToySafety

BUDGET = 420
Labeller = Literal["blind", "shuffled", "noisy", "malicious"]
WRONG: Mapping[Labeller, float] = {"noisy": 0.1, "malicious": 0.9}
"""How often a labeller that is wrong by chance is."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    requests: int = 8000
    """Of which three in five are learned from."""
    steps: int = 1200


@dataclass(frozen=True)
class Labelling:
    """Whose weak labels an arm has, and what it makes of them."""

    rule: WLAC
    weak: Labeller = "blind"


ARMS = {
    "wl-ac": Labelling(WLAC(budget=BUDGET)),
    "wl-ac-off": Labelling(WLAC(budget=BUDGET), "shuffled"),
    "active": Labelling(WLAC(budget=BUDGET, weak_labels="never")),
    "noisy": Labelling(WLAC(budget=BUDGET), "noisy"),
    "malicious": Labelling(WLAC(budget=BUDGET), "malicious"),
}


def blind(world: ToySafety, text: str) -> bool:
    """What somebody says who has never heard of permits."""
    permits = world.lexicon.words["permit"]
    return world.lexicon.harm(" ".join(word for word in text.split() if word not in permits))


class Office:
    """The requests of a seed, with the labels of everybody."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.seed = seed
        self.world = ToySafety(requests=setting.requests, data_seed=seed)
        self.texts, self.truth_N = labelled(self.world.prompts("train"))
        self.asked, self.asked_truth_N = labelled(self.world.prompts("held-out"))

    def weak(self, labeller: Labeller) -> Float[Tensor, "N"]:
        """The weak labels."""
        if labeller in ("blind", "shuffled"):
            said_N = torch.tensor([float(blind(self.world, text)) for text in self.texts])
            return said_N[rng(self.seed, "shuffled").permutation(len(said_N))] if labeller == "shuffled" else said_N
        drawn = rng(self.seed, "weak", labeller).random(len(self.texts)) < WRONG[labeller]
        return (self.truth_N ^ torch.from_numpy(drawn)).float()

    def learned(self, labelling: Labelling, rate: float) -> dict[str, float]:
        """Fit a guard, and measure it."""
        words = [word for kind in self.world.lexicon.words.values() for word in kind]
        guard = BagGuard(words, width=64, seed=derive(self.seed, "guard"))
        bag_NV = guard.bags(self.texts)

        def log_odds(places: Sequence[int]) -> Float[Tensor, "B"]:
            return guard.head(guard.body(bag_NV[list(places)])).squeeze(-1)

        fitting, ledger = labelling.rule.begin(
            guard,
            log_odds,
            self.weak(labelling.weak),
            lambda places: self.truth_N[list(places)].float(),
            learning_rate=rate,
            seed=self.seed,
        )
        fitting.num_steps = self.setting.steps
        fitting.run()
        said_N = guard(self.asked).harm_N >= 0.5
        return {
            **share("accuracy", int((said_N == self.asked_truth_N).sum()), len(said_N)),
            "labels": float(ledger.asked_N.sum()),
            "trusted": float(ledger.trusted_N.float().mean()),
            "parameters": float(guard.num_parameters),
            "tokens": float(self.setting.steps * labelling.rule.batch * bag_NV.sum(1).mean()),
        }


def labelled(prompts: Sequence[Prompt]) -> tuple[list[str], Bool[Tensor, "N"]]:
    """The requests, and what the rule says of them."""
    return [str(p.text) for p in prompts], torch.tensor([bool(p.columns["harm"]) for p in prompts])


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Labelling]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm, on the same requests."""
    office = Office(setting, seed)
    for arm in arms:
        yield arm.name, office.learned(arm.settings, arm.rate)


PROOF = Proof(
    proves=("wl-ac",),
    ours="wl-ac",
    control="wl-ac-off",
    equal="requests, network, steps and their rate, at most 420 strong labels",
    claims=(
        Claim("Labels of somebody with a blind spot are worth 3 points of accuracy", "accuracy", "active", 0.03),
        Claim("and save a tenth of the strong labels", "labels", "active", 0.1, relative=True, lower_is_better=True),
        Claim("A noisy labeller saves a fifth of the strong labels", "labels", "active", 0.2, ours="noisy",
              relative=True, lower_is_better=True, control="malicious"),
        Claim("and costs at most 2 points of accuracy", "accuracy", "active", -0.02, ours="noisy", control=None),
        Claim("A malicious labeller costs at most 2 points of accuracy", "accuracy", "active", -0.02,
              ours="malicious", control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(requests=4000, steps=600),
    rates=dict.fromkeys(ARMS, 3e-3),
    first_seed=9,
    seeds=5,
)  # fmt: skip
