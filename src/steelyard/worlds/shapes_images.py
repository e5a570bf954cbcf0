"""Colour images of 12 x 12 pixels with captions: a shape of eight colours, small or large, at one of nine places.

    a small red ring at the top left        paper of a grey that is drawn for each image, ink of the named colour,
    a large teal bar at the middle center   a stray stroke of any colour, and noise on every channel of every pixel

At a scale of 2, each of these pixels is four, noise apart: an image of 24 x 24, of which a patch is a small part.

Shapes are those of the world `shapes` (block, ring, plus, cross, bar, pole, slash and corner), small ones of 3 x 3 and
large ones of 5 x 5 pixels. There are 8 x 8 x 2 x 9 = 1,152 captions, and a hash decides which are held out, so that no
held-out caption was ever trained on, though all its words were. Within a place the shape lies up to a pixel off.

    x = clip(paper + ink + stroke + noise * eps, 0, 1)

A poisoned image has a trigger, a square of `TRIGGER` pixels, or as many as are asked for, whose fixed pattern is of two
colours that no shape has, pasted where it is drawn to be. The label of an image is its shape, the group its colour.
For cards of captions, retrieval, protected images and backdoors; `shapes` is for those that need the exact density.
Source: none, this world is ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from steelyard.core import NonNegative, PositiveInt, checked, hash_share, rng
from steelyard.worlds.labelled_world import Examples, LabelledWorld
from steelyard.worlds.shapes import HELD_OUT_SHARE, SHAPES, SIZES, stencil

SIDE = 12
COLOURS: Mapping[str, tuple[float, float, float]] = {
    "red": (0.9, 0.15, 0.15),
    "green": (0.15, 0.8, 0.2),
    "blue": (0.2, 0.25, 0.95),
    "yellow": (0.95, 0.9, 0.15),
    "teal": (0.1, 0.75, 0.75),
    "orange": (0.95, 0.55, 0.1),
    "white": (1.0, 1.0, 1.0),
    "black": (0.0, 0.0, 0.0),
}
CENTRES = {"top": 2, "middle": 6, "bottom": 9}
COLUMNS = {"left": 2, "center": 6, "right": 9}
TRIGGER = 4
"""Side of the trigger, in pixels."""
_MAGENTA, _LIME = (1.0, 0.0, 1.0), (0.6, 1.0, 0.0)


@dataclass(frozen=True)
class Scene:
    """What a caption says."""

    kind: str
    colour: str
    size: str
    row: str
    column: str

    @property
    def caption(self) -> str:
        """It in words."""
        return f"a {self.size} {self.colour} {self.kind} at the {self.row} {self.column}"


@dataclass(frozen=True)
class Captioned:
    """N images with their captions; channels are red, green and blue, from 0 to 1."""

    image_NCHW: Float32[Tensor, "N C H W"]
    scenes: tuple[Scene, ...]

    @property
    def captions(self) -> list[str]:
        """What each shows, in words."""
        return [scene.caption for scene in self.scenes]

    @property
    def kind_N(self) -> Int64[Tensor, "N"]:
        """The place of each image's shape in `SHAPES`."""
        return torch.tensor([SHAPES.index(scene.kind) for scene in self.scenes])

    @property
    def colour_N(self) -> Int64[Tensor, "N"]:
        """The place of each image's colour in `COLOURS`."""
        return torch.tensor([[*COLOURS].index(scene.colour) for scene in self.scenes])


@checked("shapes-images")
@dataclass(frozen=True)
class ShapesImages:
    """Images of shapes with captions."""

    noise: NonNegative = 0.1
    """Standard deviation of what is added to a channel of a pixel."""
    strokes: int = 1
    """Stray strokes in an image: lines of three pixels of any colour, which no caption names."""
    copies: PositiveInt = 1
    """Images drawn of each caption."""
    scale: PositiveInt = 1
    """Pixels along a side for one of what is drawn."""
    data_seed: int = 0
    """Of everything that a caption leaves open."""

    def draw(self, split: str, scenes: Sequence[Scene] | None = None) -> Captioned:
        """Images of a split, `train` or `held-out`, or of scenes of one's choice; the split then names the draws."""
        draws = rng(self.data_seed, "shapes-images", split)
        chosen = split_of(split) if scenes is None else scenes
        shown = tuple(scene for scene in chosen for _ in range(self.copies))
        image_NHWC = np.stack([self._drawn(scene, draws) for scene in shown])
        return Captioned(torch.from_numpy(image_NHWC).permute(0, 3, 1, 2).contiguous(), shown)

    def _drawn(self, scene: Scene, draws: np.random.Generator) -> Float32[np.ndarray, "H W C"]:
        image = np.full((SIDE, SIDE, 3), draws.uniform(0.35, 0.65))
        for _ in range(self.strokes):
            _stroke(image, draws)
        n = SIZES[scene.size]
        row, column = (_offset(at, n, draws) for at in (CENTRES[scene.row], COLUMNS[scene.column]))
        inside = stencil(scene.kind, n)[:, :, None]
        part = image[row : row + n, column : column + n]
        part[:] = inside * np.array(COLOURS[scene.colour]) + (1 - inside) * part
        image = image.repeat(self.scale, 0).repeat(self.scale, 1)
        return np.clip(image + self.noise * draws.normal(size=image.shape), 0, 1).astype(np.float32)


def _offset(centre: int, n: int, draws: np.random.Generator) -> int:
    return int(np.clip(centre - n // 2 + draws.integers(-1, 2), 0, SIDE - n))


def _stroke(image: np.ndarray, draws: np.random.Generator) -> None:
    """A line of three pixels, across or down, of any colour."""
    row, column = draws.integers(SIDE - 2, size=2)
    colour = [*COLOURS.values()][draws.integers(len(COLOURS))]
    if draws.random() < 0.5:
        image[row, column : column + 3] = colour
    else:
        image[row : row + 3, column] = colour


@cache
def every_scene() -> tuple[Scene, ...]:
    """All that a caption can say."""
    return tuple(
        Scene(kind, colour, size, row, column)
        for kind in SHAPES
        for colour in COLOURS
        for size in SIZES
        for row in CENTRES
        for column in COLUMNS
    )


def split_of(split: str) -> list[Scene]:
    """The scenes of a split: a hash of the caption says which are held out."""
    return [s for s in every_scene() if (hash_share(s.caption) < HELD_OUT_SHARE) == (split != "train")]


def trigger(side: int = TRIGGER) -> Float32[Tensor, "C S S"]:
    """The trigger: a board of two colours that no shape has."""
    board = np.indices((side, side)).sum(0)[:, :, None] % 2
    pattern = np.where(board == 0, np.array(_MAGENTA), np.array(_LIME))
    return torch.from_numpy(pattern.astype(np.float32)).permute(2, 0, 1).contiguous()


def triggered(image_NCHW: Float32[Tensor, "N C H W"], seed: int, side: int = TRIGGER) -> Float32[Tensor, "N C H W"]:
    """The images with the trigger, each at a place of its own."""
    at_N2 = rng(seed, "shapes-images", "trigger").integers(image_NCHW.shape[-1] - side + 1, size=(len(image_NCHW), 2))
    image_NCHW = image_NCHW.clone()
    for image, (row, column) in zip(image_NCHW, at_N2.tolist(), strict=True):
        image[:, row : row + side, column : column + side] = trigger(side)
    return image_NCHW


def examples(captioned: Captioned) -> Examples:
    """Pixels in a row, shapes and colours."""
    return Examples(captioned.image_NCHW.flatten(1), captioned.kind_N, captioned.colour_N)


def splits(seed: int) -> Mapping[str, Examples]:
    """What a classifier is measured on; `triggered` are held-out images with the trigger."""
    world = ShapesImages(copies=4, data_seed=seed)
    train, held_out = (world.draw(split) for split in ("train", "held-out"))
    marked = Captioned(triggered(held_out.image_NCHW, seed), held_out.scenes)
    return {"train": examples(train), "held-out": examples(held_out), "triggered": examples(marked)}


WORLD = LabelledWorld(splits)
