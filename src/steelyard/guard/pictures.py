"""Colour or grey images from a .npz file, with captions or classes where there are any: what image defences work on.

    x = v / top,    top = 255 for whole numbers, 1 for others

v are the file's numbers. `images` [N, H, W] or [N, H, W, C] has bytes, or fractions from 0 to 1; `captions` [N] texts;
`labels` [N] whole numbers from 0. What is written is of the kind that was read. N images of C channels, H x W pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from steelyard.core import require
from steelyard.core.array_file import IMAGES, LABELS, image_array, label_array, read_arrays

CAPTIONS = "captions"
SMALLEST = 8
"""Fewest pixels along a side."""
LARGEST = 64
"""Most pixels along a side: the networks that read them are small."""
HINT = "write one with numpy.savez(FILE, images=...), with captions or labels where they are needed"


@dataclass(frozen=True)
class Pictures:
    """N images from 0 to 1, and what is known of them."""

    image_NCHW: Float32[Tensor, "N C H W"]
    captions: tuple[str, ...] = ()
    """One for each image; empty where there are none."""
    label_N: Int64[Tensor, "N"] | None = None
    """Classes, where there are any."""
    form: str = "float32"
    """Number format of the file."""
    grey: bool = False
    """Whether the file's images have no axis of channels."""

    def __len__(self) -> int:
        return len(self.image_NCHW)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image: channels, rows and columns."""
        return tuple(self.image_NCHW.shape[1:])

    def part(self, chosen_M: Int64[Tensor, "M"]) -> "Pictures":
        """Some of them, in this order."""
        captions = tuple(self.captions[i] for i in chosen_M.tolist()) if self.captions else ()
        label_M = None if self.label_N is None else self.label_N[chosen_M]
        return replace(self, image_NCHW=self.image_NCHW[chosen_M], captions=captions, label_N=label_M)

    def changed(self, image_NCHW: Float32[Tensor, "N C H W"]) -> "Pictures":
        """As many others with the same captions and classes."""
        return replace(self, image_NCHW=image_NCHW.clamp(0.0, 1.0))


def read_pictures(path: str, *, captioned: bool, flag: str) -> Pictures:
    """The images of a file.

    Args:
        path: a .npz file, or without captions a .npy file.
        captioned: whether there must be captions.
        flag: the flag that names the file.

    Raises:
        SteelyardError: the file is missing or malformed, or its images are too large.
    """
    require(bool(path), "is missing", where=flag, hint="name a .npz file")
    found = read_arrays(path, HINT)
    images = image_array(found, path, HINT)
    what = f"{IMAGES} has the shape {images.shape}"
    require(images.ndim in (3, 4), what, where=path, hint="give [N, H, W] or [N, H, W, C]")
    grey = images.ndim == 3
    images = images[..., None] if grey else images
    sides, channels = images.shape[1:3], images.shape[3]
    what = f"an image has {sides[0]} x {sides[1]} pixels of {channels} channels"
    fits = min(sides) >= SMALLEST and max(sides) <= LARGEST and channels in (1, 3)
    hint = f"give {SMALLEST} to {LARGEST} pixels a side, of 1 or 3 channels along the last axis"
    require(fits, what, where=path, hint=hint)
    label_N = torch.from_numpy(label_array(found[LABELS], len(images), path)) if LABELS in found else None
    captions = _captions(found, len(images), path) if captioned else ()
    image_NHWC = torch.from_numpy(_fractions(images, path))
    return Pictures(image_NHWC.permute(0, 3, 1, 2).contiguous(), captions, label_N, str(images.dtype), grey)


def write_pictures(pictures: Pictures, path: Path) -> None:
    """Write images as they were read, with captions and classes where there are any."""
    image_NHWC = pictures.image_NCHW.permute(0, 2, 3, 1).numpy()
    whole = np.dtype(pictures.form).kind in "bui"
    numbers = np.rint(image_NHWC * 255) if whole else image_NHWC
    arrays: dict[str, Any] = {IMAGES: (numbers[..., 0] if pictures.grey else numbers).astype(pictures.form)}
    arrays |= {CAPTIONS: np.array(pictures.captions)} if pictures.captions else {}
    arrays |= {LABELS: pictures.label_N.numpy()} if pictures.label_N is not None else {}
    np.savez_compressed(path, **arrays)


def _fractions(images: np.ndarray, path: str) -> np.ndarray:
    top = 255 if images.dtype.kind in "ui" else 1
    low, high = float(images.min()), float(images.max())
    what = f"its {images.dtype} numbers run from {low:g} to {high:g}"
    hint = "give whole numbers from 0 to 255, or fractions from 0 to 1"
    require(low >= 0 and high <= top, what, where=path, hint=hint)
    return (images / top).astype(np.float32)


def _captions(found: Mapping[str, np.ndarray], number: int, path: str) -> tuple[str, ...]:
    require(CAPTIONS in found, f"it holds no array {CAPTIONS!r}, but {', '.join(found)}", where=path, hint=HINT)
    captions = found[CAPTIONS]
    what = f"{CAPTIONS} is an array of {captions.dtype} with the shape {captions.shape}, and there are {number} images"
    require(captions.dtype.kind == "U" and captions.shape == (number,), what, where=path, hint="give one text for each")
    texts = tuple(captions.tolist())
    empty = next((i for i, text in enumerate(texts) if not text.strip()), None)
    require(empty is None, f"caption {empty} is empty", where=path, hint="say what the image shows")
    return texts
