"""An image in characters, to be read in a terminal and on a run's page."""

import numpy as np

INK = " .:-=+*#%@"
WIDEST = 64
"""Columns of an image that is still drawn; others are shown by their first numbers."""


def picture(image: np.ndarray) -> str:
    """The image: a character for each number, darker where it is higher, from its lowest to its highest.

    Channels of a colour image (1, 3 or 4 along the last axis) are averaged.
    """
    grey = image.mean(-1) if image.ndim == 3 and image.shape[-1] in (1, 3, 4) else image
    if grey.ndim != 2 or grey.shape[1] > WIDEST:
        return " ".join(f"{number:.3g}" for number in image.reshape(-1)[:16])
    low = float(grey.min())
    reach = float(grey.max()) - low
    shade = (grey - low) / (reach or 1.0) * (len(INK) - 1)
    return "\n".join("".join(INK[place] for place in row) for row in shade.round().astype(int))
