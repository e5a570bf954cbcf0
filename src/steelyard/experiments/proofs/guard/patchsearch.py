"""PatchSearch on images of shapes: is the trigger found, and is a model that learns from the rest like a clean one?

Captions name a large shape of 15 x 15 pixels in an image of 36 x 36, "a ring". The block is not among the shapes: any
window of its inside is one, so that its clean images move others as a trigger does. Which shape is the target is drawn
for a seed. Half of the target's images, a fourteenth of all, carry a trigger of 8 x 8 pixels at any place, as large as
the paper's; their captions are true. A model is two towers trained on images and captions; it says by the most similar
caption which shape a held-out image has. It learns from all images (none), from all by CutMix, the paper's other
defence (cutmix), from what PatchSearch leaves (patchsearch), without as many at random, which is the method switched
off (patchsearch-off), or without those that are poisoned (oracle).

`attacked` is the share of held-out images of other shapes that are called the target where the trigger is pasted in,
`triggered` the share of them that is still told rightly, the paper's measure; `accuracy` is of images as they are.
`precision` is that of the 20 highest scores, or of 20 that are left out; `recall` and `removed` are of all that are.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy

from steelyard.core import rng
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.guard.patchsearch import FLAGGED_FROM, PatchSearch
from steelyard.guard.poison_classifier import PoisonClassifier
from steelyard.guard.split_encoder import SplitEncoder
from steelyard.guard.two_towers import TwoTowers, bags, pooled
from steelyard.learner.fitting import Fitting
from steelyard.worlds.shapes import SHAPES
from steelyard.worlds.shapes_images import Captioned, ShapesImages, split_of, triggered

How = Literal["found", "random", "oracle", "mixed", "all"]
ARMS: Mapping[str, How] = {
    "patchsearch": "found",
    "patchsearch-off": "random",
    "none": "all",
    "cutmix": "mixed",
    "oracle": "oracle",
}
TOP = 20
"""Highest scores whose precision is measured."""
KINDS = tuple(kind for kind in SHAPES if kind != "block")
CAPTIONS = [f"a {kind}" for kind in KINDS]


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: ShapesImages
    method: PatchSearch = field(default_factory=PatchSearch)
    trigger: int = 8
    """Pixels along its side."""
    poisoned: float = 0.5
    """Share of the target's images that carry it."""
    steps: int = 500
    batch: int = 64
    searched_rate: float = 1e-3
    """Learning rate of the towers whose images' tower PatchSearch looks into: those of the arm `none`."""


class Studio:
    """The images of a seed, with the trigger in some, and what PatchSearch finds in them."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.seed = seed
        world = replace(setting.world, data_seed=seed)
        train, asked = (
            world.draw(split, [s for s in split_of(split) if s.size == "large" and s.kind in KINDS])
            for split in ("train", "held-out")
        )
        self.kind_N, self.asked_kind_N = kinds_of(train), kinds_of(asked)
        self.asked_NCHW = asked.image_NCHW
        self.target = int(rng(seed, "patchsearch", "target").integers(len(KINDS)))
        own = torch.nonzero(self.kind_N == self.target)[:, 0].numpy()
        drawn = rng(seed, "patchsearch", "poisoned").permutation(own)[: round(setting.poisoned * len(own))]
        chosen = torch.from_numpy(drawn)
        self.poisoned_N = torch.zeros(len(self.kind_N), dtype=torch.bool)
        self.poisoned_N[chosen] = True
        self.image_NCHW = train.image_NCHW
        self.image_NCHW[chosen] = triggered(self.image_NCHW[chosen], seed, setting.trigger)
        self.bag_KV = bags(CAPTIONS, KINDS)
        self.known: dict[float, TwoTowers] = {}

    def defended(self, how: How, rate: float) -> TwoTowers:
        """Towers that have learned from what is left."""
        if how == "all":
            return self.undefended(rate)
        _, gone_N = self.left_out(how)
        return self._trained(torch.nonzero(~gone_N)[:, 0], rate, mixed=how == "mixed")

    def undefended(self, rate: float) -> TwoTowers:
        """Towers that have learned from all images, made once for each rate."""
        if rate not in self.known:
            self.known[rate] = self._trained(torch.arange(len(self.kind_N)), rate)
        return self.known[rate]

    def _trained(self, kept_M: Int64[Tensor, "M"], rate: float, mixed: bool = False) -> TwoTowers:
        towers = TwoTowers(tuple(self.image_NCHW.shape[1:]), len(KINDS), body=pooled, seed=self.seed)
        image_MCHW, bag_MV = self.image_NCHW[kept_M], self.bag_KV[self.kind_N[kept_M]]
        if mixed:
            cutmix(towers, image_MCHW, bag_MV, self.setting, rate, self.seed).run()
        else:
            own = {"steps": self.setting.steps, "batch": self.setting.batch}
            towers.begin(image_MCHW, bag_MV, rate=rate, seed=self.seed, **own).run()
        return towers

    @cached_property
    def found(self) -> tuple[Int64[Tensor, "M"], Bool[Tensor, "N"]]:
        """The images with the highest scores, and which are flagged."""
        method = self.setting.method
        encoder = SplitEncoder.of(self.undefended(self.setting.searched_rate).images)
        found = method.search(encoder, self.image_NCHW, seed=self.seed)
        flagged_N = method.filter(found, self.image_NCHW, seed=self.seed) >= FLAGGED_FROM
        return found.scores.order_N[:TOP], flagged_N

    def left_out(self, how: How) -> tuple[Int64[Tensor, "M"], Bool[Tensor, "N"]]:
        """The most suspect images, and which are left out."""
        nobody = torch.arange(0)
        if how == "found":
            return self.found
        if how == "oracle":
            return nobody, self.poisoned_N
        gone_N = torch.zeros_like(self.poisoned_N)
        if how == "random":
            drawn = torch.from_numpy(rng(self.seed, "patchsearch", "random").permutation(len(gone_N)))
            gone_N[drawn[: int(self.found[1].sum())]] = True
            return drawn[:TOP], gone_N
        return nobody, gone_N

    def told(self, towers: TwoTowers) -> dict[str, float]:
        """What a model makes of held-out images, as they are and with the trigger."""
        kind_N = self.asked_kind_N
        other = kind_N != self.target
        with_NCHW = triggered(self.asked_NCHW, self.seed, self.setting.trigger)[other]
        with torch.no_grad():
            plain_N = towers.similarity(self.asked_NCHW, self.bag_KV).argmax(1)
            fooled_N = towers.similarity(with_NCHW, self.bag_KV).argmax(1)
        return {
            **share("accuracy", int((plain_N == kind_N).sum()), len(kind_N)),
            **share("attacked", int((fooled_N == self.target).sum()), len(fooled_N)),
            **share("triggered", int((fooled_N == kind_N[other]).sum()), len(fooled_N)),
        }


def kinds_of(captioned: Captioned) -> Int64[Tensor, "N"]:
    """The place of each image's shape in `KINDS`."""
    return torch.tensor([KINDS.index(scene.kind) for scene in captioned.scenes])


def cutmix(
    towers: TwoTowers,
    image_NCHW: Float[Tensor, "N C H W"],
    bag_NV: Float[Tensor, "N V"],
    setting: Setting,
    rate: float,
    seed: int,
) -> Fitting:
    """Training on images with a box of another image, each of which has two captions, by the area: i-CutMix for pairs.

    L = 1/2 (CE(s, m I + (1 - m) P) + CE(s', m I + (1 - m) P')),    P whose box it is, m the area that is its own
    """
    draws = rng(seed, "patchsearch", "cutmix")
    sides = image_NCHW.shape[2:]

    def loss() -> Tensor:
        of = torch.from_numpy(draws.integers(len(image_NCHW), size=setting.batch))
        other = torch.from_numpy(draws.permutation(setting.batch))
        box = [max(1, round(side * float(np.sqrt(draws.random())))) for side in sides]
        row, column = (int(draws.integers(side - own + 1)) for side, own in zip(sides, box, strict=True))
        inside = (slice(None), slice(None), slice(row, row + box[0]), slice(column, column + box[1]))
        own_NCHW = image_NCHW[of]
        mixed_NCHW = own_NCHW.clone()
        mixed_NCHW[inside] = own_NCHW[other][inside]
        m = 1 - box[0] * box[1] / (sides[0] * sides[1])
        one_NN = torch.eye(setting.batch)
        belongs_NN = m * one_NN + (1 - m) * one_NN[other]
        s_NN = towers.similarity(mixed_NCHW, bag_NV[of])
        return (cross_entropy(s_NN, belongs_NN) + cross_entropy(s_NN.T, belongs_NN.T)) / 2

    return Fitting(towers, torch.optim.Adam(towers.parameters(), lr=rate), loss, draws, setting.steps)


def measure(seed: int, setting: Setting, arms: Iterable[Arm[How]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm: what is left out, and what a model that learns from the rest makes of the trigger."""
    studio = Studio(setting, seed)
    poisoned_N = studio.poisoned_N
    for arm in arms:
        suspects_M, gone_N = studio.left_out(arm.settings)
        yield (
            arm.name,
            {
                **studio.told(studio.defended(arm.settings, arm.rate)),
                **(share("precision", int(poisoned_N[suspects_M].sum()), TOP) if len(suspects_M) else {}),
                **share("recall", int((gone_N & poisoned_N).sum()), int(poisoned_N.sum())),
                **share("removed", int((gone_N & ~poisoned_N).sum()), int((~poisoned_N).sum())),
                "target": float(studio.target),
            },
        )


PROOF = Proof(
    proves=("patchsearch",),
    ours="patchsearch",
    control="patchsearch-off",
    equal="images with captions, towers, steps and batches; the control leaves out as many images as the method",
    claims=(
        Claim("Of the 20 highest scores, 15 are of poisoned images", "precision", 0.0, 0.75),
        Claim("Trained on what is left, 50 points fewer are fooled than undefended", "attacked", "none", 0.5, True),
        Claim("10 points fewer are fooled than where images are mixed", "attacked", "cutmix", 0.1, True),
        Claim("At most 5 points more are fooled than without all poison", "attacked", "oracle", -0.05, True),
        Claim("Of triggered images 20 points more are told rightly than undefended", "triggered", "none", 0.2),
        Claim("Of triggered images at most 10 points fewer than without all poison", "triggered", "oracle", -0.1),
        Claim("Of clean images at most 2 points fewer are told rightly than undefended", "accuracy", "none", -0.02),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(ShapesImages(noise=0.05, copies=4, scale=3)),
    quick=Setting(
        ShapesImages(noise=0.05, copies=2, scale=3),
        PatchSearch(classifier=PoisonClassifier(models=2, iterations=100)),
        steps=300,
    ),
    rates=dict.fromkeys(ARMS, 1e-3) | {"cutmix": 4e-3},
    first_seed=16,
    seeds=8,
)
