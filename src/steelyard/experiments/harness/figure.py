"""A figure of a study as a PNG file: what all their pictures share."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.core import SteelyardError
from steelyard.report.svg import RC
from steelyard.runtime.run_dir.disk import put, writing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_figure(path: Path, fill: Callable[["Figure"], None], size: tuple[float, float]) -> None:
    """Write the picture whole or not at all; the same figure gives the same bytes.

    Args:
        path: the file; what is there is replaced.
        fill: draws into a matplotlib `Figure`.
        size: width and height (inches).

    Raises:
        SteelyardError: the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(RC):
        figure = Figure(figsize=size, dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        fill(figure)
        box = io.BytesIO()
        figure.savefig(box, format="png", metadata={"Software": None})
    with writing(path, SteelyardError):
        put(path, box.getvalue())
