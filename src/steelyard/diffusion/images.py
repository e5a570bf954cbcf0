"""Images, or other rows of numbers, from a .npy or .npz file: what a diffusion model is trained on.

    x = (v - mean) / spread,    mean and spread of all numbers of the file together

v are the file's numbers, of any scale. A .npy file holds one array [N, ...]; a .npz file holds `images` [N, ...], and
perhaps `labels` [N], whole numbers from 0, and `prompts` [C], what is said for each class. Arrays of Python objects are
never read: they would be pickles. The split is by hash of a row, so that equal rows are on one side.
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from steelyard.core import SteelyardError, first_line, hash_share, require

IMAGES, LABELS, PROMPTS = "images", "labels", "prompts"
LARGEST = 3072
"""Most numbers of a row: a network of dense layers reads it."""
_HINT = "write one with numpy.savez(FILE, images=..., labels=...), or numpy.save(FILE, images)"


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
    found = _arrays(path)
    require(IMAGES in found, f"it holds no array {IMAGES!r}, but {', '.join(found)}", where=path, hint=_HINT)
    images = _numbers(found[IMAGES], path)
    mean, spread = float(images.mean()), float(images.std())
    require(spread > 0, f"all its numbers are {mean:g}", where=path, hint="give images that differ")
    rows_NX = ((images - mean) / spread).reshape(len(images), -1).astype(np.float32)
    what = f"an image has {rows_NX.shape[1]:,} numbers, and at most {LARGEST:,} are read"
    require(rows_NX.shape[1] <= LARGEST, what, where=path, hint="give smaller images")
    label_N = _labels(found[LABELS], len(images), path) if LABELS in found else np.zeros(len(images), np.int64)
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


def _arrays(path: str) -> Mapping[str, np.ndarray]:
    file = Path(path)
    what = f"{file.suffix or 'a file without suffix'} is not read"
    require(file.suffix in (".npy", ".npz"), what, where=path, hint=_HINT)
    require(file.is_file(), "there is no such file", where=path, hint=_HINT)
    try:
        read = np.load(file, allow_pickle=False)
        if isinstance(read, np.ndarray):
            return {IMAGES: read}
        with read:
            return {name: read[name] for name in read.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise SteelyardError(f"cannot be read ({first_line(error)})", where=path, hint=_HINT) from error


def _numbers(images: np.ndarray, path: str) -> np.ndarray:
    fits = images.dtype.kind in "buif" and images.ndim >= 2 and images.size > 0
    what = f"{IMAGES} is an array of {images.dtype} with the shape {images.shape}"
    require(fits, what, where=path, hint="give numbers, one image along the first axis")
    numbers = images.astype(np.float64)
    bad_N = ~np.isfinite(numbers).reshape(len(numbers), -1).all(1)
    require(not bad_N.any(), f"image {int(bad_N.argmax())} has a number that is not finite", where=path, hint="mend it")
    return numbers


def _labels(labels: np.ndarray, number: int, path: str) -> np.ndarray:
    fits = labels.dtype.kind in "bui" and labels.shape == (number,)
    what = f"{LABELS} is an array of {labels.dtype} with the shape {labels.shape}, and there are {number} images"
    require(fits, what, where=path, hint="give one whole number for each image")
    classes = labels.astype(np.int64)
    lowest, highest = int(classes.min()), int(classes.max())
    what = f"{LABELS} run from {lowest} to {highest}, with {number} images"
    require(lowest >= 0 and highest < number, what, where=path, hint="number the classes from 0")
    return classes


def _prompts(prompts: np.ndarray, classes: int, path: str) -> tuple[str, ...]:
    fits = prompts.dtype.kind == "U" and prompts.ndim == 1 and len(prompts) >= classes
    what = f"{PROMPTS} is an array of {prompts.dtype} with the shape {prompts.shape}, and there are {classes} classes"
    require(fits, what, where=path, hint="give one text for each class, in the order of the classes")
    empty = next((i for i, prompt in enumerate(prompts.tolist()) if not prompt.split()), None)
    require(empty is None, f"the prompt of class {empty} has no words", where=path, hint="say what it shows")
    return tuple(prompts.tolist())
