"""Adapt-then-Unlearn on small images: a GAN unlearns one of eight shapes among its own images.

A GAN learns small images; of 5,000 of its own, those that show a ring, by the nearest clean image, are marked as
undesired. Each arm gets the GAN and the marked images: adapt-unlearn, with the repulsion el2; its other forms il2 and
nl2; tuned, which is trained on the desired alone, without repulsion; and extrapolated, which steps away from an adapted
GAN without training. `before` does nothing. `undesired` is the share of what is generated that shows a ring;
`distance` the Frechet distance, on pixels, of everything else that is generated from as many fresh images without
rings, and `moved` how far the weights are from those before.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch

from steelyard.core import derive
from steelyard.diffusion import AdaptUnlearn
from steelyard.diffusion.adapt_unlearn import distance, extrapolated, numbers
from steelyard.diffusion.gan import Gan, GanSettings
from steelyard.diffusion.measures import frechet
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.worlds.shapes import SHAPES
from steelyard.worlds.small_images import Pictures, SmallImages, clipped, kind_shown

RING = SHAPES.index("ring")
BASE = AdaptUnlearn(adapted=1, adapt_steps=150, unlearn_steps=500)


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    images: int = 4096
    """That the GAN has learned from."""
    train_steps: int = 3000
    """Of the GAN."""
    marked: int = 5000
    """Of its own images."""
    generated: int = 1500
    """To measure by."""


@dataclass(frozen=True)
class Unlearns:
    """How an arm unlearns."""

    how: Literal["nothing", "trained", "extrapolated"]
    method: AdaptUnlearn = BASE


ARMS = {
    "before": Unlearns("nothing"),
    "adapt-unlearn": Unlearns("trained"),
    "il2": Unlearns("trained", replace(BASE, repel="il2", gamma=1e-3)),
    "nl2": Unlearns("trained", replace(BASE, repel="nl2", gamma=10.0)),
    "tuned": Unlearns("trained", replace(BASE, repel_weight=0.0, adapted=1)),
    "extrapolated": Unlearns("extrapolated"),
}


class Case:
    """The GAN of a seed, with its marked images."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.seed = seed
        world = SmallImages(data_seed=seed)
        images = world.draw(setting.images, "train")
        self.gan = GanSettings(train_steps=setting.train_steps).fit(images.data_NX, seed=seed)
        self.fresh: Pictures = world.draw(2 * setting.generated, "fresh")
        self.own_NX = self.gan.rows(setting.marked, seed=derive(seed, "marked"))
        self.undesired_N = kind_shown(self.own_NX) == RING

    @cached_property
    def adapted(self) -> Gan:
        """The GAN that has learned the undesired alone, for the arm that trains no more."""
        return BASE.adapt(self.gan, self.own_NX[self.undesired_N], derive(self.seed, "adapt", 0))

    def unlearned(self, arm: Arm[Unlearns]) -> Gan:
        """What an arm makes of the GAN."""
        if arm.settings.how == "nothing":
            return self.gan
        if arm.settings.how == "extrapolated":
            return extrapolated(self.gan, self.adapted, arm.rate)
        how = arm.settings.method
        how = replace(how, gan=replace(how.gan, learning_rate=arm.rate))
        parts = self.own_NX[self.undesired_N], self.own_NX[~self.undesired_N]
        gan, players = how.begin(self.gan, *parts, seed=self.seed)
        players.run()
        return gan


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Unlearns]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The GAN, and what each arm makes of it."""
    case = Case(setting, seed)
    others_NX = case.fresh.data_NX[case.fresh.kind_N != RING]
    for arm in arms:
        gan = case.unlearned(arm)
        data_NX = gan.rows(setting.generated, seed=seed)
        kind_N = kind_shown(data_NX)
        rest_NX = data_NX[kind_N != RING]
        there = torch.bincount(kind_N, minlength=len(SHAPES)) >= len(data_NX) / 100
        yield (
            arm.name,
            {
                **share("undesired", int((kind_N == RING).sum()), len(kind_N)),
                "distance": frechet(clipped(rest_NX), clipped(others_NX[: len(rest_NX)])),
                "kinds": float(there.sum()),
                "moved": float(distance(gan.generator, [numbers(case.gan)])),
            },
        )


PROOF = Proof(
    proves=("adapt-unlearn",),
    ours="adapt-unlearn",
    control="tuned",
    equal="the GAN and its marked images; 500 steps at one rate for arms that train",
    claims=(
        Claim("Adapt-then-Unlearn leaves a fifth of the undesired images that there were", "undesired", "before", 0.8,
              lower_is_better=True, relative=True),
        Claim("fine-tuning on the desired alone leaves twice as many", "undesired", "tuned", 0.5,
              lower_is_better=True, relative=True, control=None),
        Claim("of everything else its images are half as far from fresh ones as those of extrapolation", "distance",
              "extrapolated", 0.5, lower_is_better=True, relative=True, control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(images=2048, train_steps=400, marked=1000, generated=500),
    rates=dict.fromkeys(("adapt-unlearn", "il2", "nl2", "tuned"), 1e-3) | {"extrapolated": 1.0},
    seeds=10,
)  # fmt: skip
