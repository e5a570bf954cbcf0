"""Protecting images by their captions: `steelyard train t2ue --images public.npz --protect mine.npz`.

A generator learns from public images with captions, and the run's `model` directory holds it, with `protected.npz`: the
images of `--protect` with its noise, in the numbers and the order of that file. `--start RUN --protect more.npz` learns
nothing, and protects by the generator of an earlier run. The noise of a caption needs no image; what is protected is
read at the end, only to add the noise.

    eval/recall         share of held-out public captions and images that the surrogate matches, the images with noise
    eval/recall_plain   the same without noise: where it is as high, models learn from the images in spite of the noise
    eval/loss           contrastive loss of the surrogate on held-out pairs, with noise
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

import torch
import tyro

from steelyard.core import ShareInside, checked, hash_share, require
from steelyard.core.json import JsonObject
from steelyard.core.model_files import file_errors, read_settings, read_tensors, write_settings, write_tensors
from steelyard.guard.pictures import Pictures, read_pictures, write_pictures
from steelyard.guard.t2ue import T2UE, Learning, Protector, check_words
from steelyard.guard.two_towers import TwoTowers, bags, found
from steelyard.learner.fitting_settings import FittingSettings
from steelyard.learner.fitting_work import FittingWork, unwritten

FACTS, TENSORS, PROTECTED = "t2ue.json", "t2ue.safetensors", "protected.npz"
SALT = "t2ue held out "
MEASURED = 200
"""Most held-out captions that are measured by."""


@dataclass(frozen=True)
class Facts:
    """What a directory says of its generator."""

    learned_by: T2UE
    shape: tuple[int, ...]
    """Of an image: channels, rows, columns."""
    words: tuple[str, ...]
    """That it knows."""


@dataclass(frozen=True)
class Saved:
    """A generator with its surrogate."""

    facts: Facts
    protector: Protector
    surrogate: TwoTowers

    def write(self, directory: Path) -> None:
        """Write both into a directory, which is made where it is absent."""
        write_settings(self.facts, directory / FACTS)
        write_tensors(self._module.state_dict(), directory / TENSORS)

    @property
    def _module(self) -> torch.nn.ModuleList:
        return torch.nn.ModuleList([self.surrogate, self.protector.generator])

    @staticmethod
    def read(directory: Path) -> "Saved":
        """What was written.

        Raises:
            SteelyardError: a file is missing or damaged.
        """
        hint = "name a run of t2ue that has finished"
        with file_errors("no generator of noise can be read", where=str(directory), hint=hint):
            facts = read_settings(directory / FACTS, Facts)
            protector = facts.learned_by.untrained(facts.shape, facts.words)
            saved = Saved(facts, protector, TwoTowers(facts.shape, len(facts.words), seed=0))
            saved._module.load_state_dict(read_tensors(directory / TENSORS))
        return saved


@dataclass
class Nothing:
    """A `Fit` without a step: what is there already is used."""

    steps: int = 0
    num_steps: int = 0

    def step(self) -> float:
        """There is none."""
        raise AssertionError("there is no step to make")

    def save(self, directory: Path) -> None:
        """There is nothing to keep."""

    def restore(self, directory: Path) -> None:
        """There is nothing to go on with."""


@checked()
@dataclass(frozen=True)
class Protecting(FittingSettings):
    """Learn to make noise from captions, and protect images by it."""

    OWN_DATA: ClassVar[str] = "--images captioned.npz --protect captioned.npz"

    learns: Annotated[T2UE, tyro.conf.OmitArgPrefixes] = field(default_factory=T2UE)
    """What learns."""
    images: str = ""
    """.npz file of public `images` [N, H, W, C] or [N, H, W] with `captions` [N]: what the generator learns from."""
    protect: str = ""
    """.npz file of images with captions to protect; empty to learn a generator alone."""
    start: str = ""
    """The run of an earlier `t2ue`, whose generator protects; nothing is learned then."""
    held_out_share: ShareInside = 0.1
    """Share of the public captions that only evaluation sees."""

    @property
    def title(self) -> str:
        """What protects what."""
        learned = f"the generator of {self.start}" if self.start else f"noise learned from {self.images}"
        return f"{learned}, for {self.protect}" if self.protect else learned

    def plan(self) -> Mapping[str, JsonObject]:
        """The images, the networks, and how many steps there are."""
        if self.start:
            saved = self._started()
            private = self._private(saved.facts.shape, saved.facts.words)
            return {"data": _told(None, None, private), "start": {"run": self.start}, "steps": {"steps": 0}}
        train, held_out = self._public()
        learning = self._begin(train)
        private = self._private(train.shape, learning.protector.words)
        numbers = {
            "generator": sum(p.numel() for p in learning.protector.generator.parameters()),
            "surrogate": sum(p.numel() for p in learning.surrogate.parameters()),
            "words": len(learning.protector.words),
        }
        steps = {"steps": learning.fitting.num_steps}
        return {"data": _told(train, held_out, private), "model": numbers, "steps": steps}

    def open(self) -> FittingWork:
        """Read the images, and begin to learn; or take the generator that is there."""
        if self.start and not self.fitted:
            saved = self._started()
            private = self._private(saved.facts.shape, saved.facts.words)
            write = partial(self._write, saved, private)
            return FittingWork(Nothing(), lambda: ({}, []), write, _told(None, None, private))
        if self.fitted:
            train, held_out = self._public() if self.images else (None, None)
            measure = partial(_measured, Saved.read(Path(self.fitted)), held_out, self.seed)
            return FittingWork(None, measure, unwritten, _told(train, held_out, None))
        train, held_out = self._public()
        learning = self._begin(train)
        private = self._private(train.shape, learning.protector.words)
        facts = Facts(self.learns, train.shape, learning.protector.words)
        saved = Saved(facts, learning.protector, learning.surrogate)
        measure, write = partial(_measured, saved, held_out, self.seed), partial(self._write, saved, private)
        return FittingWork(learning.fitting, measure, write, _told(train, held_out, private))

    def _begin(self, train: Pictures) -> Learning:
        return self.learns.begin(train.image_NCHW, train.captions, seed=self.seed, steps=self.max_steps)

    def _public(self) -> tuple[Pictures, Pictures]:
        """The pairs to learn from, and those to measure by, whose captions are others."""
        pictures = read_pictures(self.images, captioned=True, flag="--images")
        held_N = torch.tensor([hash_share(SALT + caption) < self.held_out_share for caption in pictures.captions])
        train, held_out = (pictures.part(of.nonzero()[:, 0]) for of in (~held_N, held_N))
        differ = [len({*part.captions}) for part in (train, held_out)]
        what = f"{differ[0]} different captions are learned from, and {differ[1]} are held out"
        require(min(differ) >= 2, what, where=self.images, hint="give more pairs, or change --held-out-share")
        return train, held_out

    def _started(self) -> Saved:
        require(bool(self.protect), "is missing", where="--protect", hint="name the images that are to be protected")
        require(not self.images, "is given, and nothing is learned", where="--images", hint="leave it out, or --start")
        place = Path(self.start)
        return Saved.read(place if (place / FACTS).is_file() else place / "model")

    def _private(self, shape: tuple[int, ...], words: tuple[str, ...]) -> Pictures | None:
        """The images to protect; None where there are none."""
        if not self.protect:
            return None
        private = read_pictures(self.protect, captioned=True, flag="--protect")
        what = f"its images have the shape {private.shape} (channels, rows, columns), and the generator's are {shape}"
        require(private.shape == shape, what, where=self.protect, hint="give images of one size")
        check_words(private.captions, words, self.protect)
        return private

    def _write(self, saved: Saved, private: Pictures | None, directory: Path) -> None:
        saved.write(directory)
        if private is not None:
            image_NCHW = saved.protector.protect(private.image_NCHW, private.captions, seed=self.seed)
            write_pictures(private.changed(image_NCHW), directory / PROTECTED)


def _measured(saved: Saved, held_out: Pictures | None, seed: int) -> tuple[JsonObject, list[JsonObject]]:
    if held_out is None:
        return {}, []
    first = {caption: i for i, caption in reversed([*enumerate(held_out.captions)])}
    asked = held_out.part(torch.tensor(sorted(first.values())[:MEASURED]))
    bag_NV = bags(asked.captions, saved.facts.words)
    noise = saved.protector.noise(asked.captions, seed=seed)
    with_NCHW = (asked.image_NCHW + noise).clamp(0.0, 1.0)
    with torch.no_grad():
        loss = float(saved.surrogate.loss(with_NCHW, bag_NV))
    right, plain = (found(saved.surrogate, image_NCHW, bag_NV) for image_NCHW in (with_NCHW, asked.image_NCHW))
    questions = 2 * len(asked)
    row = {"eval/recall": right / questions, "eval/recall_plain": plain / questions, "eval/loss": loss}
    shown = [
        {"prompt": caption, "completion": f"noise from {float(own.min()):.3f} to {float(own.max()):.3f}"}
        for caption, own in zip(asked.captions[:4], noise, strict=False)
    ]
    return row, shown


def _told(train: Pictures | None, held_out: Pictures | None, private: Pictures | None) -> JsonObject:
    counts = {"images": train, "held_out": held_out, "to protect": private}
    return {**{name: len(part) for name, part in counts.items() if part is not None}, "notes": {}}
