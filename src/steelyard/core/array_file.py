"""Arrays from a .npy or .npz file: what images are given as.

    images.npz = {images: [N, ...], labels: [N]}

A .npy file holds one array; a .npz file several, each by its name. Arrays of Python objects are never read: they would
be pickles.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from steelyard.core.errors import SteelyardError, first_line, require

IMAGES, LABELS = "images", "labels"
HINT = "write one with numpy.savez(FILE, images=..., labels=...), or numpy.save(FILE, images)"


def read_arrays(path: str, hint: str = HINT) -> Mapping[str, np.ndarray]:
    """All arrays of a file, by name; the one of a .npy file is called `images`.

    Raises:
        SteelyardError: the file is missing, damaged or of another kind.
    """
    file = Path(path)
    what = f"{file.suffix or 'a file without suffix'} is not read"
    require(file.suffix in (".npy", ".npz"), what, where=path, hint=hint)
    require(file.is_file(), "there is no such file", where=path, hint=hint)
    try:
        read = np.load(file, allow_pickle=False)
        if isinstance(read, np.ndarray):
            return {IMAGES: read}
        with read:
            return {name: read[name] for name in read.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise SteelyardError(f"cannot be read ({first_line(error)})", where=path, hint=hint) from error


def image_array(found: Mapping[str, np.ndarray], path: str, hint: str = HINT) -> np.ndarray:
    """The array of images, as it is: finite numbers, one image along the first axis.

    Raises:
        SteelyardError: there is none, or it holds something else.
    """
    require(IMAGES in found, f"it holds no array {IMAGES!r}, but {', '.join(found)}", where=path, hint=hint)
    images = found[IMAGES]
    fits = images.dtype.kind in "buif" and images.ndim >= 2 and images.size > 0
    what = f"{IMAGES} is an array of {images.dtype} with the shape {images.shape}"
    require(fits, what, where=path, hint="give numbers, one image along the first axis")
    bad_N = ~np.isfinite(images.astype(np.float64)).reshape(len(images), -1).all(1)
    require(not bad_N.any(), f"image {int(bad_N.argmax())} has a number that is not finite", where=path, hint="mend it")
    return images


def label_array(labels: np.ndarray, number: int, path: str) -> np.ndarray:
    """The classes of so many images, whole numbers from 0.

    Raises:
        SteelyardError: they are something else.
    """
    fits = labels.dtype.kind in "bui" and labels.shape == (number,)
    what = f"{LABELS} is an array of {labels.dtype} with the shape {labels.shape}, and there are {number} images"
    require(fits, what, where=path, hint="give one whole number for each image")
    classes = labels.astype(np.int64)
    lowest, highest = int(classes.min()), int(classes.max())
    what = f"{LABELS} run from {lowest} to {highest}, with {number} images"
    require(lowest >= 0 and highest < number, what, where=path, hint="number the classes from 0")
    return classes
