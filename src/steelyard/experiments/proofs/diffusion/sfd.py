"""SFD on small images: one of eight shapes is forgotten while a diffusion model is distilled into one step.

A denoiser of 32 steps learns images with their shape as the class. Each arm makes it forget the ring, and sees no image
while it does: sfd, whose safe class is the block; sfd-off, which distils without forgetting (SiD); and esd, which tunes
the denoiser away from rings, from as many of its own rows. `before` does nothing. `left` is the share of what is
generated for the ring that shows a ring, and `kept` the share of what is generated for the other seven that shows what
was asked for, both by the nearest clean image; `distance` is the Frechet distance, on pixels, of those other seven from
held-out images of theirs; `images_per_s` counts seconds of the processor. An arm's rate is, of three, the one at which
it keeps most of those that leave at most a fifth: 3e-4 for SFD, of 1e-4 to 1e-3, and 1e-4 for ESD, of 3e-5 to 3e-4.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch

from steelyard.diffusion import DDPM, Diffusion, NoiseSchedule
from steelyard.diffusion.class_forgetting import ClassForgetting, ForgetClasses
from steelyard.diffusion.esd import ESD
from steelyard.diffusion.measures import frechet
from steelyard.diffusion.one_step import OneStep
from steelyard.diffusion.sfd import SFD
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.worlds.shapes import SHAPES
from steelyard.worlds.small_images import Pictures, SmallImages, clipped, share_of

FORGET, SAFE = SHAPES.index("ring"), SHAPES.index("block")
REQUEST = ForgetClasses((FORGET,), (SAFE,), len(SHAPES))


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    images: int = 4096
    """That the model that knows has learned from."""
    train_steps: int = 700
    """Of the model that knows."""
    each: int = 100
    """Images that are generated of each shape."""


@dataclass(frozen=True)
class Forgets:
    """How an arm forgets."""

    method: ClassForgetting | None
    """None does nothing."""


ARMS = {
    "before": Forgets(None),
    "sfd": Forgets(SFD(forget_steps=250)),
    "sfd-off": Forgets(SFD(forget_steps=250, forget_weight=0.0)),
    "esd": Forgets(ESD()),
}


def taught(setting: Setting, seed: int) -> Diffusion:
    """The model that knows all shapes."""
    images = SmallImages(data_seed=seed).draw(setting.images, "train")
    trainer = DDPM(NoiseSchedule(steps=32), width=64, layers=2, batch=64, train_steps=setting.train_steps)
    return trainer.fit(images.data_NX, images.kind_N, seed=seed)


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Forgets]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The model that knows, and what each arm makes of it."""
    knowing = taught(setting, seed)
    held_out = SmallImages(data_seed=seed).draw(8 * setting.each, "held-out")
    for arm in arms:
        yield arm.name, measured(made(knowing, arm, seed), held_out, setting, seed)


def made(knowing: Diffusion, arm: Arm[Forgets], seed: int) -> Diffusion | OneStep:
    """What the arm makes of the model that knows."""
    if arm.settings.method is None:
        return knowing
    how = arm.settings.method.at(arm.rate)
    forgotten = how.begin(knowing, REQUEST, seed=seed)
    while forgotten.fit.steps < forgotten.fit.num_steps:
        forgotten.fit.step()
    return forgotten.model


def measured(model: Diffusion | OneStep, held_out: Pictures, setting: Setting, seed: int) -> dict[str, float]:
    """What it generates for the shape to be forgotten, and for the others."""
    label_N = torch.arange(len(SHAPES)).repeat(setting.each)
    began = time.process_time()
    data_NX = model.rows(label_N, seed=seed)
    spent = time.process_time() - began
    kept = [share_of(data_NX[label_N == kind], [kind]) for kind in range(len(SHAPES)) if kind != FORGET]
    others_NX = held_out.where(held_out.kind_N != FORGET).data_NX
    return {
        **share("left", *share_of(data_NX[label_N == FORGET], [FORGET])),
        **share("kept", sum(right for right, _ in kept), sum(number for _, number in kept)),
        "distance": frechet(clipped(data_NX[label_N != FORGET]), clipped(others_NX)),
        "images_per_s": len(label_N) / max(spent, 1e-6),
    }


PROOF = Proof(
    proves=("sfd",),
    ours="sfd",
    control="sfd-off",
    equal="the model that knows, and no image; each arm that learns its best of three rates; 250 steps, esd 200",
    claims=(
        Claim("SFD forgets: 50 points fewer of the images asked for as rings show one than before", "left", "before",
              0.5, lower_is_better=True),
        Claim("of the other shapes it generates as many right as without forgetting, but for 5 points", "kept",
              "sfd-off", -0.05),
        Claim("ESD keeps 10 points fewer of them", "kept", "esd", 0.1, control=None),
        Claim("and its images of them are twice as far from held-out ones", "distance", "esd", 0.5,
              lower_is_better=True, relative=True, control=None),
        Claim("SFD generates five times as many images in the same time", "images_per_s", "before", 4.0, relative=True,
              control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(images=2048, train_steps=400, each=50),
    rates={"sfd": 3e-4, "sfd-off": 3e-4, "esd": 1e-4},
    first_seed=6,
    seeds=4,
)  # fmt: skip
