"""Images, or other rows of numbers, from a .npy or .npz file: what a diffusion model is trained on.

    x = (v - mean) / spread,    mean and spread of all numbers of the file together

v are the file's numbers, of any scale. A .npy file holds one array [N, ...]; a .npz file holds `images` [N, ...], and
perhaps `labels` [N], whole numbers from 0, and `prompts` [C], what is said for each class. Arrays of Python objects are
never read: they would be pickles. The split is by hash of a row, so that equal rows are on one side.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from steelyard.core import hash_share, require
from steelyard.core.array_file import LABELS, image_array, label_array, read_arrays

PROMPTS = "prompts"
LARGEST = 3072
"""Most numbers of a row: a network of dense layers reads it."""


@dataclass(frozen=True)
class Images:
    """N rows of X numbers, scaled, with a class each."""

    data_NX: Float[Tensor, "N X"]
    label_N: Int64[Tensor, "N"]
    shape: tuple[int, ...]
    """Of one image; X is the product."""
    mean: float
    """What was subtracted from the file's numbers."""
    spread: float
    """What they were divided by."""
    prompts: tuple[str, ...] = ()
    """What is said for each class; empty where classes are known by number."""

    @property
    def classes(self) -> int:
        """C: the largest class is C - 1."""
        return len(self.prompts) or int(self.label_N.max()) + 1

    def on_scale(self, mean: float, spread: float) -> "Images":
        """The same images, scaled by another file's mean and spread."""
        data_NX = (self.data_NX * self.spread + self.mean - mean) / spread
        return replace(self, data_NX=data_NX, mean=mean, spread=spread)

    def part(self, wanted_N: np.ndarray) -> "Images":
        """Some of the rows."""
        chosen_N = torch.from_numpy(wanted_N)
        return replace(self, data_NX=self.data_NX[chosen_N], label_N=self.label_N[chosen_N])


def read_images(path: str) -> Images:
    """The rows of a file, scaled; without labels all are of class 0.

    Raises:
        SteelyardError: the file is missing or malformed, or what it holds are no numbers of equal rows.
    """
    require(bool(path), "is missing", where="--images", hint="name a .npz or .npy file")
    found = read_arrays(path)
    images = image_array(found, path).astype(np.float64)
    mean, spread = float(images.mean()), float(images.std())
    require(spread > 0, f"all its numbers are {mean:g}", where=path, hint="give images that differ")
    rows_NX = ((images - mean) / spread).reshape(len(images), -1).astype(np.float32)
    what = f"an image has {rows_NX.shape[1]:,} numbers, and at most {LARGEST:,} are read"
    require(rows_NX.shape[1] <= LARGEST, what, where=path, hint="give smaller images")
    label_N = label_array(found[LABELS], len(images), path) if LABELS in found else np.zeros(len(images), np.int64)
    classes = int(label_N.max()) + 1
    prompts = _prompts(found[PROMPTS], classes, path) if PROMPTS in found else ()
    return Images(torch.from_numpy(rows_NX), torch.from_numpy(label_N), images.shape[1:], mean, spread, prompts)


def split_images(images: Images, held_out_share: float, path: str) -> tuple[Images, Images]:
    """Those to learn from, and those to measure by.

    Raises:
        SteelyardError: fewer than two are on one side, or a class is in none that is learned from.
    """
    held_N = np.array([hash_share(row.tobytes().hex()) < held_out_share for row in images.data_NX.numpy()])
    train, held_out = images.part(~held_N), images.part(held_N)
    least = min(len(train.label_N), len(held_out.label_N))
    what = f"{len(train.label_N)} of its images are learned from and {len(held_out.label_N)} are held out"
    require(least >= 2, what, where=path, hint="give more images, or change --held-out-share")
    missing = sorted({*held_out.label_N.tolist()} - {*train.label_N.tolist()})
    what = f"class {missing[0] if missing else ''} is only among the images that are held out"
    require(not missing, what, where=path, hint="give more images of it")
    return train, held_out


def _prompts(prompts: np.ndarray, classes: int, path: str) -> tuple[str, ...]:
    fits = prompts.dtype.kind == "U" and prompts.ndim == 1 and len(prompts) >= classes
    what = f"{PROMPTS} is an array of {prompts.dtype} with the shape {prompts.shape}, and there are {classes} classes"
    require(fits, what, where=path, hint="give one text for each class, in the order of the classes")
    empty = next((i for i, prompt in enumerate(prompts.tolist()) if not prompt.split()), None)
    require(empty is None, f"the prompt of class {empty} has no words", where=path, hint="say what it shows")
    return tuple(prompts.tolist())
