"""Training a diffusion model as a job: `steelyard train ddpm --images images.npz`.

The run's `model` directory holds the network, the settings of its trainer and the scale of the images;
`steelyard sample RUN --output more.npz` draws images of each class; `diffusion.saved.read_diffusion` reads the model.

    eval/loss             mean squared error of the predicted noise on held-out images; 1 where nothing is predicted
    eval/frechet          Frechet distance of generated images from held-out ones, on numbers of spread 1
    eval/frechet_train    that of as many training images: what no model need pass
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import torch
import tyro

from steelyard.core import NonNegativeInt, PositiveInt, ShareInside, checked, require
from steelyard.core.json import JsonObject
from steelyard.diffusion.ddpm import DDPM
from steelyard.diffusion.images import Images, read_images, split_images
from steelyard.diffusion.measures import frechet, held_out_loss
from steelyard.diffusion.picture import picture
from steelyard.diffusion.saved import Facts, SavedDiffusion, read_diffusion, write_diffusion
from steelyard.diffusion.trainer import DiffusionTrainer, Training
from steelyard.learner.fitting_settings import FittingSettings
from steelyard.learner.fitting_work import FittingWork, unwritten

SHOWN = 8
"""Classes of which an image is kept to look at."""
MEASURED = 512
"""Most held-out images that are measured by; as many are generated."""


@checked()
@dataclass(frozen=True)
class DiffusionJob(FittingSettings):
    """Train a diffusion model on images of one's own."""

    OWN_DATA: ClassVar[str] = "--images images.npz"

    trainer: Annotated[DiffusionTrainer, tyro.conf.OmitArgPrefixes] = field(default_factory=DDPM)
    """What trains it."""
    images: str = ""
    """.npz file with `images` [N, ...] and perhaps `labels` [N], or .npy file of images alone."""
    held_out_share: ShareInside = 0.2
    """Share of the images that only evaluation sees."""
    eval_steps: PositiveInt = 100
    """Steps between two evaluations; the first and the last are always made."""
    save_steps: NonNegativeInt = 100
    """Steps between two checkpoints; 0 makes one only when the run is stopped or has ended."""

    @property
    def title(self) -> str:
        """What is trained on what."""
        return f"{type(self.trainer).__name__} on {self.images}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The images, the network, and how many steps there are."""
        train, held_out = self._read()
        training = self._begin(train)
        numbers = sum(p.numel() for p in training.fitting.module.parameters())
        network = {"parameters": numbers, "denoising_steps": training.model.schedule.steps}
        steps = {"steps": training.fitting.num_steps}
        return {"data": _told(train, held_out), "model": network, "steps": steps}

    def open(self) -> FittingWork:
        """Read the images, and begin to train; or measure the model that `fitted` names."""
        train, held_out = self._read()
        told = _told(train, held_out)
        if self.fitted:
            saved = read_diffusion(Path(self.fitted))
            what = f"its images have the shape {train.shape}, and the model's {saved.facts.shape}"
            require(saved.facts.shape == train.shape, what, where=self.images, hint="name the file of the run")
            return FittingWork(None, partial(self._measure, saved, train, held_out), unwritten, told)
        training = self._begin(train)
        facts = Facts(self._trainer(train), train.shape, train.classes, train.mean, train.spread)
        measure = partial(self._measure, SavedDiffusion(facts, training.model), train, held_out)
        return FittingWork(training.fitting, measure, partial(write_diffusion, training.fitting.module, facts), told)

    def drawn(self, number: int, seed: int, output: str) -> list[JsonObject]:
        """So many images of each class.

        Args:
            number: of each class.
            seed: of the draws.
            output: a .npz file to write them to, with their classes; empty for none.

        Raises:
            SteelyardError: the file is none of .npz, or is there already; or there is no trained model.
        """
        require(bool(self.fitted), "is untrained", where="--base", hint="leave it out")
        return drawn_images(read_diffusion(Path(self.fitted)), number, seed, output)

    def _read(self) -> tuple[Images, Images]:
        return split_images(read_images(self.images), self.held_out_share, self.images)

    def _trainer(self, train: Images) -> DiffusionTrainer:
        return self.trainer.reading(train.prompts) if train.prompts else self.trainer

    def _begin(self, train: Images) -> Training:
        return self._trainer(train).begin(train.data_NX, train.label_N, seed=self.seed, steps=self.max_steps)

    def _measure(self, saved: SavedDiffusion, train: Images, held_out: Images) -> tuple[JsonObject, list[JsonObject]]:
        rows_NX, label_N = held_out.data_NX[:MEASURED], held_out.label_N[:MEASURED]
        made_NX = saved.model.rows(label_N, seed=self.seed)
        row = {
            "eval/loss": held_out_loss(saved.model, rows_NX, label_N, seed=self.seed),
            "eval/frechet": frechet(made_NX, rows_NX),
            "eval/frechet_train": frechet(train.data_NX[: len(rows_NX)], rows_NX),
        }
        shown_N = torch.arange(min(saved.facts.classes, SHOWN))
        images = saved.images(shown_N, seed=self.seed).numpy()
        return row, [shown(saved, label, image) for label, image in zip(shown_N.tolist(), images, strict=True)]


def drawn_images(saved: SavedDiffusion, number: int, seed: int, output: str) -> list[JsonObject]:
    """So many images of each class, in a file where one is named.

    Raises:
        SteelyardError: the file is none of .npz, or is there already.
    """
    place = Path(output or ".npz")
    require(output == "" or place.suffix == ".npz", f"is {output}", where="--output", hint="name a .npz file")
    require(not output or not place.exists(), "is there already", where=output, hint="name another file")
    label_N = torch.arange(saved.facts.classes).repeat_interleave(number)
    image_N = saved.images(label_N, seed=seed).numpy()
    if output:
        prompts = saved.facts.trainer.said
        arrays = {"images": image_N, "labels": label_N.numpy()} | ({"prompts": np.array(prompts)} if prompts else {})
        np.savez_compressed(place, allow_pickle=False, **arrays)
    return [shown(saved, label, image) for label, image in zip(label_N.tolist(), image_N, strict=True)]


def shown(saved: SavedDiffusion, label: int, image: np.ndarray) -> JsonObject:
    """An image to look at, with what was asked for."""
    prompts = saved.facts.trainer.said
    return {"prompt": prompts[label] if prompts else f"class {label}", "completion": picture(image)}


def _told(train: Images, held_out: Images) -> JsonObject:
    shape = " x ".join(map(str, train.shape))
    counts = {"images": len(train.label_N), "held_out": len(held_out.label_N)}
    return {**counts, "shape": shape, "classes": train.classes, "mean": train.mean, "spread": train.spread, "notes": {}}
