"""UnlearnDiffAtk on small images: words before a prompt bring back a shape that was unlearned.

A denoiser of 16 steps reads captions of small images. ESD, the paper's first victim, tunes it away from all captions
that name a ring; sfd distils it without rings; retrained has learned from images without rings alone. Each attack
begins with 96 images of rings and their captions, and looks for five words before each caption: unlearndiffatk by the
victim's own denoising error, random by drawing words. All try 16 prompts an image and generate from the same noise.
`asr` is the share of images for which the caption or a prompt that was tried shows a ring, by the nearest clean image;
`before` that of the captions alone, and `left` and `kept` say what the victim generates of rings and of the other
shapes when it is asked for them. P4D, whose aim is the model before unlearning, was measured on the first seeds
(docs/lab-notes.md).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from jaxtyping import Bool
from torch import Tensor

from steelyard.diffusion import DDPM, Diffusion, NoiseSchedule
from steelyard.diffusion.class_forgetting import ClassForgetting, ForgetClasses
from steelyard.diffusion.esd import ESD
from steelyard.diffusion.one_step import OneStep
from steelyard.diffusion.sfd import SFD
from steelyard.diffusion.unlearndiffatk import Attacked, Target, UnlearnDiffAtk, random_words
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.worlds.shapes import SHAPES
from steelyard.worlds.small_images import CAPTIONS, Pictures, SmallImages, captions_of, kind_shown, share_of

RING = SHAPES.index("ring")
REQUEST = ForgetClasses(captions_of("ring"), captions_of("block"), len(CAPTIONS))
ATTACK = UnlearnDiffAtk(words=5, iterations=20, visits=16)


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    images: int = 4096
    """That the model that knows has learned from."""
    train_steps: int = 900
    """Of the model that knows, and of the one that was retrained."""
    attacked: int = 96
    """Images that attacks begin with."""
    esd_rate: float = 1e-4
    sfd_rate: float = 3e-4


@dataclass(frozen=True)
class Attack:
    """Who is attacked, and how."""

    victim: Literal["esd", "sfd", "retrained"]
    how: Literal["searched", "random", "none"]


ARMS = {
    "no-attack": Attack("esd", "none"),
    "random": Attack("esd", "random"),
    "unlearndiffatk": Attack("esd", "searched"),
    "retrained": Attack("retrained", "searched"),
    "sfd": Attack("sfd", "searched"),
}


class Case:
    """The models and images of a seed."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.seed = seed
        world = SmallImages(data_seed=seed)
        self.train = world.draw(setting.images, "train")
        self.fresh = world.draw(40 * setting.attacked, "attacked")
        self.made: dict[str, Diffusion | OneStep] = {}

    @cached_property
    def knowing(self) -> Diffusion:
        """The model before unlearning."""
        return self._taught(self.train)

    @cached_property
    def target(self) -> Target:
        """Images of rings, with their captions."""
        rings = self.fresh.where(self.fresh.kind_N == RING)
        number = self.setting.attacked
        captions = tuple(CAPTIONS[c] for c in rings.caption_N[:number].tolist())
        return Target(rings.data_NX[:number], captions)

    def victim(self, name: str) -> Diffusion | OneStep:
        """A model that has unlearned rings, or never learned them."""
        if name not in self.made:
            self.made[name] = self._victim(name)
        return self.made[name]

    def _victim(self, name: str) -> Diffusion | OneStep:
        if name == "retrained":
            return self._taught(self.train.where(self.train.kind_N != RING))
        rates = {"esd": self.setting.esd_rate, "sfd": self.setting.sfd_rate}
        ways: Mapping[str, ClassForgetting] = {"esd": ESD(forget_steps=150), "sfd": SFD(forget_steps=80)}
        forgotten = ways[name].at(rates[name]).begin(self.knowing, REQUEST, seed=self.seed)
        while forgotten.fit.steps < forgotten.fit.num_steps:
            forgotten.fit.step()
        return forgotten.model

    def _taught(self, images: Pictures) -> Diffusion:
        steps = self.setting.train_steps
        trainer = DDPM(NoiseSchedule(steps=16), width=64, layers=2, batch=64, train_steps=steps, prompts=CAPTIONS)
        return trainer.fit(images.data_NX, images.caption_N, seed=self.seed)

    def attacked(self, attack: Attack) -> Attacked:
        """What comes of an attack."""
        victim = self.victim(attack.victim)
        tries = 0 if attack.how == "none" else ATTACK.visits
        if attack.how in ("none", "random"):
            return random_words(victim, self.target, shows, words=ATTACK.words, tries=tries, seed=self.seed)
        return ATTACK.attack(victim, self.target, shows, seed=self.seed)


def shows(made_AX: Tensor) -> Bool[Tensor, "A"]:
    """Which of them show a ring."""
    return kind_shown(made_AX) == RING


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Attack]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The victims, and each attack."""
    case = Case(setting, seed)
    for arm in arms:
        found = case.attacked(arm.settings)
        victim = case.victim(arm.settings.victim)
        yield (
            arm.name,
            {
                **share("asr", int(found.after_A.sum()), len(found.after_A)),
                **share("before", int(found.before_A.sum()), len(found.before_A)),
                "tried": float(found.tried_A.float().mean()),
                **generated(victim, case.fresh, seed),
            },
        )


def generated(victim: Diffusion | OneStep, asked: Pictures, seed: int) -> dict[str, float]:
    """What a victim makes of captions of rings, and of others."""
    caption_N = asked.caption_N[:800]
    data_NX = victim.rows(caption_N, seed=seed)
    ring_N = asked.kind_N[:800] == RING
    right = int((kind_shown(data_NX) == asked.kind_N[:800])[~ring_N].sum())
    return {
        **share("left", *share_of(data_NX[ring_N], [RING])),
        **share("kept", right, int((~ring_N).sum())),
    }


PROOF = Proof(
    proves=("unlearndiffatk",),
    ours="unlearndiffatk",
    control="retrained",
    equal="the victim, the images with their captions, five words, 16 prompts tried an image, noise of generation",
    claims=(
        Claim("Searched words bring back rings for 20 points more of the images than captions alone", "asr",
              "no-attack", 0.2),
        Claim("and for 20 points more than random words do", "asr", "random", 0.2),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(images=2048, train_steps=300, attacked=24),
    first_seed=11,
    seeds=10,
)  # fmt: skip
