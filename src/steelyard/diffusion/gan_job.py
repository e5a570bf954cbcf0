"""Training a small GAN as a job: `steelyard train gan --images images.npz`, and unlearning in it.

`steelyard sample RUN --samples 500 --output made.npz` draws images. Whoever marks them, by a label in that file, can
have the GAN unlearn some: `steelyard train adapt-unlearn --gan RUN/model --images made.npz --undesired 1`. The run's
`model` directory holds generator, critic and scale of the images.

    eval/frechet      Frechet distance of generated images from held-out ones, on numbers of spread 1; for
                      adapt-unlearn from the desired ones of the file
    eval/undesired    adapt-unlearn: share of generated images whose nearest one of the file is undesired
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import torch
import tyro

from steelyard.core import ShareInside, checked, require
from steelyard.core.json import JsonObject
from steelyard.diffusion.adapt_unlearn import AdaptUnlearn
from steelyard.diffusion.gan import Gan, GanSettings
from steelyard.diffusion.images import Images, read_images, split_images
from steelyard.diffusion.measures import frechet
from steelyard.diffusion.picture import picture
from steelyard.diffusion.saved_gan import GanFacts, read_gan, write_gan
from steelyard.learner.fitting_settings import FittingSettings
from steelyard.learner.fitting_work import FittingWork, unwritten

MEASURED = 512
"""Most images that are measured by; as many are generated."""
SHOWN = 8
"""Images that are kept to look at."""
Measured = tuple[JsonObject, list[JsonObject]]


@checked()
@dataclass(frozen=True)
class GanJob(FittingSettings):
    """Train a small GAN on images of one's own."""

    OWN_DATA: ClassVar[str] = "--images images.npz"

    settings: Annotated[GanSettings, tyro.conf.OmitArgPrefixes] = field(default_factory=GanSettings)
    """Sizes, and how it learns."""
    images: str = ""
    """.npz file with `images` [N, ...], or .npy file of images alone; labels are not read."""
    held_out_share: ShareInside = 0.2
    """Share of the images that only evaluation sees."""

    @property
    def title(self) -> str:
        """What is trained on what."""
        return f"GAN on {self.images}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The images, the networks, and how many steps there are."""
        train, held_out = self._read()
        gan = self.settings.new(train.data_NX.shape[1], seed=self.seed)
        return {"data": _counted(train, held_out), "model": sizes(gan), "steps": {"steps": self._steps()}}

    def open(self) -> FittingWork:
        """Read the images, and begin to train; or measure the GAN that `fitted` names."""
        train, held_out = self._read()
        told = _counted(train, held_out)
        if self.fitted:
            gan, facts = read_gan(Path(self.fitted))
            return FittingWork(None, partial(self._measure, gan, facts, held_out), unwritten, told)
        gan = self.settings.new(train.data_NX.shape[1], seed=self.seed)
        facts = GanFacts(self.settings, train.shape, train.mean, train.spread)
        players = self.settings.begin(gan, train.data_NX, seed=self.seed, steps=self._steps())
        return FittingWork(players, partial(self._measure, gan, facts, held_out), partial(write_gan, gan, facts), told)

    def drawn(self, number: int, seed: int, output: str) -> list[JsonObject]:
        """So many images, as `drawn_images` says."""
        require(bool(self.fitted), "is untrained", where="--base", hint="leave it out")
        return drawn_images(Path(self.fitted), number, seed, output)

    def _steps(self) -> int:
        return self.max_steps or self.settings.train_steps

    def _read(self) -> tuple[Images, Images]:
        plain = replace(read_images(self.images), prompts=())
        train, held_out = split_images(plain, self.held_out_share, self.images)
        return train, held_out

    def _measure(self, gan: Gan, facts: GanFacts, held_out: Images) -> Measured:
        rows_NX = held_out.data_NX[:MEASURED]
        row: JsonObject = {"eval/frechet": frechet(gan.rows(len(rows_NX), seed=self.seed), rows_NX)}
        return row, looked_at(gan, facts, self.seed)


@checked()
@dataclass(frozen=True)
class AdaptUnlearnJob(FittingSettings):
    """Have a GAN unlearn what was marked as undesired among images of its own."""

    OWN_DATA: ClassVar[str] = "--gan GAN --images images.npz --undesired 1"

    unlearning: Annotated[AdaptUnlearn, tyro.conf.OmitArgPrefixes] = field(default_factory=AdaptUnlearn)
    """How."""
    gan: str = ""
    """The GAN: RUN/model of `steelyard train gan`."""
    images: str = ""
    """.npz file with `images` [N, ...], best the GAN's own, and `labels` [N] by which they are marked."""
    undesired: tuple[int, ...] = (1,)
    """Labels of what is undesired."""

    @property
    def title(self) -> str:
        """What is unlearned, in what."""
        return f"AdaptUnlearn: {self.gan} unlearns labels {' '.join(map(str, self.undesired))} of {self.images}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The images, the GAN, and how many steps there are."""
        gan, _, images, undesired_N = self._read()
        return {"data": _marked(images, undesired_N), "model": sizes(gan), "steps": {"steps": self._steps()}}

    def open(self) -> FittingWork:
        """Adapt copies of the GAN, and begin to unlearn; or measure the GAN that `fitted` names."""
        gan, facts, images, undesired_N = self._read()
        told = _marked(images, undesired_N)
        if self.fitted:
            gan, facts = read_gan(Path(self.fitted))
            return FittingWork(None, self._measure(gan, facts, images, undesired_N), unwritten, told)
        parts = images.data_NX[undesired_N], images.data_NX[~undesired_N]
        gan, players = self.unlearning.begin(gan, *parts, seed=self.seed, steps=self._steps())
        measure = self._measure(gan, facts, images, undesired_N)
        return FittingWork(players, measure, partial(write_gan, gan, facts), told)

    def drawn(self, number: int, seed: int, output: str) -> list[JsonObject]:
        """So many images, as `drawn_images` says."""
        return drawn_images(Path(self.fitted or self.gan), number, seed, output)

    def _steps(self) -> int:
        return self.max_steps or self.unlearning.unlearn_steps

    def _read(self) -> tuple[Gan, GanFacts, Images, torch.Tensor]:
        """The GAN, the images on its scale, and which of them are undesired."""
        require(bool(self.gan), "is missing", where="--gan", hint="name RUN/model of steelyard train gan")
        gan, facts = read_gan(Path(self.gan))
        images = read_images(self.images)
        what = f"its images have the shape {images.shape}, and the GAN's {facts.shape}"
        require(images.shape == facts.shape, what, where=self.images, hint="mark images of the GAN itself")
        undesired_N = torch.isin(images.label_N, torch.tensor(self.undesired, dtype=torch.int64))
        marked = int(undesired_N.sum())
        what = f"{marked} of its {len(undesired_N)} images are marked as undesired"
        hint = "mark some in `labels`, and not all, and name their label by --undesired"
        require(0 < marked < len(undesired_N), what, where=self.images, hint=hint)
        return gan, facts, images.on_scale(facts.mean, facts.spread), undesired_N

    def _measure(self, gan: Gan, facts: GanFacts, images: Images, undesired_N: torch.Tensor) -> Callable[[], Measured]:
        def measure() -> Measured:
            wanted_NX = images.data_NX[~undesired_N][:MEASURED]
            made_NX = gan.rows(max(len(wanted_NX), 2), seed=self.seed)
            nearest_N = torch.cdist(made_NX, images.data_NX).argmin(1)
            row: JsonObject = {"eval/undesired": float(undesired_N[nearest_N].float().mean())}
            row |= {"eval/frechet": frechet(made_NX, wanted_NX)} if len(wanted_NX) > 1 else {}
            return row, looked_at(gan, facts, self.seed)

        return measure


def drawn_images(model: Path, number: int, seed: int, output: str) -> list[JsonObject]:
    """So many images of a GAN, in a file where one is named, all with label 0: to be marked.

    Raises:
        SteelyardError: the file is none of .npz, or is there already.
    """
    place = Path(output or ".npz")
    require(output == "" or place.suffix == ".npz", f"is {output}", where="--output", hint="name a .npz file")
    require(not output or not place.exists(), "is there already", where=output, hint="name another file")
    gan, facts = read_gan(model)
    image_N = facts.images(gan, number, seed=seed).numpy()
    if output:
        np.savez_compressed(place, images=image_N, labels=np.zeros(number, np.int64))
    return [{"prompt": f"image {i}", "completion": picture(image)} for i, image in enumerate(image_N)]


def looked_at(gan: Gan, facts: GanFacts, seed: int) -> list[JsonObject]:
    """A few images to look at."""
    images = facts.images(gan, SHOWN, seed=seed).numpy()
    return [{"prompt": f"image {i}", "completion": picture(image)} for i, image in enumerate(images)]


def sizes(gan: Gan) -> JsonObject:
    """How many numbers a GAN has."""
    counts = {"generator": gan.generator, "critic": gan.critic}
    return {name: sum(p.numel() for p in module.parameters()) for name, module in counts.items()}


def _counted(train: Images, held_out: Images) -> JsonObject:
    shape = " x ".join(map(str, train.shape))
    return {"images": len(train.label_N), "held_out": len(held_out.label_N), "shape": shape, "notes": {}}


def _marked(images: Images, undesired_N: torch.Tensor) -> JsonObject:
    marked = int(undesired_N.sum())
    return {"undesired": marked, "desired": len(undesired_N) - marked, "notes": {}}
