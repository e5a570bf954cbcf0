"""PatchSearch on images of shapes: half of the red images carry a trigger, and an encoder learns from all of them.

The encoder takes the trigger for a sign of red, and a linear classifier of the eight colours on its features, fitted on
clean images, then calls other images red that carry it. Arms, each an encoder that is trained anew on what is left of
the images: without those that PatchSearch removes (patchsearch); the control, without as many that are drawn (
patchsearch-off); all (undefended), which is also the encoder that is searched; all, mixed with each other by cut-outs
(i-cutmix); without the poisoned ones (oracle). By held-out images: `accuracy` as they are; `triggered`, accuracy
of those that are not red, with the trigger; `fooled`, how many of these are called red. `precision` is the share of
poisoned ones among the 20 images with the highest scores, `caught` that of the poisoned images that are removed, `lost`
that of the others.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import one_hot

from steelyard.core import derive, rng
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.guard.patchsearch import PatchSearch, precision, removed
from steelyard.guard.poison_classifier import PoisonClassifier
from steelyard.guard.self_supervised import ImageEncoder, SelfSupervised
from steelyard.worlds.shapes_images import COLOURS, ShapesImages, split_of, triggered

How = Literal["found", "drawn", "none", "poisoned"]
ARMS: Mapping[str, How] = {
    "patchsearch": "found",
    "patchsearch-off": "drawn",
    "undefended": "none",
    "oracle": "poisoned",
}
TARGET = 0
RIDGE = 1e-3


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: ShapesImages
    learning: SelfSupervised = field(default_factory=lambda: SelfSupervised(encoder_steps=300))
    method: PatchSearch = field(default_factory=lambda: PatchSearch(classifier=PoisonClassifier(models=3)))


class Gallery:
    """The images of a seed, the encoder that learned from all, and what the search says."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.seed = seed
        world = replace(setting.world, data_seed=seed)
        plain = world.draw("train")
        draws = rng(seed, "patchsearch", "poison")
        red = (plain.colour_N == TARGET).nonzero()[:, 0].numpy()
        self.poisoned_N = torch.zeros(len(plain.scenes), dtype=torch.bool)
        self.poisoned_N[draws.permutation(red)[: len(red) // 2]] = True
        self.image_NCHW = torch.where(
            self.poisoned_N[:, None, None, None], triggered(plain.image_NCHW, seed), plain.image_NCHW
        )
        self.labelled = replace(world, copies=1).draw("labelled", split_of("train"))
        self.asked = replace(world, copies=2).draw("held-out")
        self.encoder = self.learned(torch.ones_like(self.poisoned_N))
        self.found = setting.method.search(self.encoder, self.image_NCHW, seed=seed)
        self.removed_N = removed(setting.method.filter(self.found, self.image_NCHW, seed=seed))

    def learned(self, kept_N: Bool[Tensor, "N"]) -> ImageEncoder:
        """An encoder that learned from the images that are kept."""
        return self.setting.learning.fit(self.image_NCHW[kept_N], seed=derive(self.seed, "encoder") % 2**31)

    def left_out(self, how: How) -> Bool[Tensor, "N"]:
        """The images that an arm does without."""
        if how == "drawn":
            order = rng(self.seed, "patchsearch", "drawn").permutation(len(self.removed_N))
            return self.removed_N[torch.from_numpy(order)]
        every = {"found": self.removed_N, "poisoned": self.poisoned_N}
        return every.get(how, torch.zeros_like(self.poisoned_N))

    def called(self, encoder: ImageEncoder, image_NCHW: Float[Tensor, "N C H W"]) -> Int64[Tensor, "N"]:
        """The colour that a ridge regression on clean images' features says."""
        x_NF = _with_one(encoder.features(self.labelled.image_NCHW))
        gram_FF = x_NF.T @ x_NF + RIDGE * torch.eye(x_NF.shape[1], dtype=torch.float64)
        weight_FC = torch.linalg.solve(gram_FF, x_NF.T @ one_hot(self.labelled.colour_N, len(COLOURS)).double())
        return (_with_one(encoder.features(image_NCHW)) @ weight_FC).argmax(1)


def _with_one(feature_ND: Float[Tensor, "N D"]) -> Float[Tensor, "N F"]:
    return torch.cat([feature_ND, torch.ones(len(feature_ND), 1)], 1).double()


def measure(seed: int, setting: Setting, arms: Iterable[Arm[How]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm: what becomes of the trigger."""
    gallery = Gallery(setting, seed)
    truth_M = gallery.asked.colour_N
    other_M = truth_M != TARGET
    marked = triggered(gallery.asked.image_NCHW, derive(seed, "asked") % 2**31)
    for arm in arms:
        out_N = gallery.left_out(arm.settings)
        encoder = gallery.learned(~out_N) if out_N.any() else gallery.encoder
        called_M = gallery.called(encoder, gallery.asked.image_NCHW)
        with_M = gallery.called(encoder, marked)[other_M]
        caught, poisoned = int((out_N & gallery.poisoned_N).sum()), int(gallery.poisoned_N.sum())
        yield (
            arm.name,
            {
                **share("triggered", int((with_M == truth_M[other_M]).sum()), len(with_M)),
                **share("fooled", int((with_M == TARGET).sum()), len(with_M)),
                **share("accuracy", int((called_M == truth_M).sum()), len(truth_M)),
                **share("precision", *_top(gallery, arm.settings)),
                **share("caught", caught, poisoned),
                **share("lost", int(out_N.sum()) - caught, len(out_N) - poisoned),
            },
        )


def _top(gallery: Gallery, how: How) -> tuple[int, int]:
    """Poisoned ones among the first 20 images: by their scores, or as they were drawn."""
    top = gallery.setting.method.top
    if how == "found":
        return precision(gallery.found, gallery.poisoned_N, top), top
    order = rng(gallery.seed, "patchsearch", "top").permutation(len(gallery.poisoned_N))[:top]
    return int(gallery.poisoned_N[torch.from_numpy(order)].sum()), top


PROOF = Proof(
    proves=("patchsearch",),
    ours="patchsearch",
    control="patchsearch-off",
    equal="poisoned images, encoder, its steps, the labelled images of the linear classifier; images removed (control)",
    claims=(
        Claim(
            "Of triggered images 10 points more are classified rightly than undefended", "triggered", "undefended", 0.1
        ),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(ShapesImages(noise=0.05, copies=2, scale=2)),
    quick=Setting(ShapesImages(noise=0.05, copies=1, scale=2)),
)
