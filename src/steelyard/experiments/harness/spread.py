"""Several measurements in one cell: `median [lowest, highest]`."""

import math
import statistics
from collections.abc import Callable, Sequence

Write = Callable[[float], str]
"""How one number is written."""
NEVER = "never"
"""Stands for an infinite number: what was counted up to never happened."""
NOT_MEASURED = "–"


def fixed(decimals: int, *, signed: bool = False) -> Write:
    """Write so many decimals; with `signed`, a plus sign too."""
    return _finite(lambda value: f"{value:{'+' if signed else ''}.{decimals}f}")


def figures(number: int) -> Write:
    """Write so many significant figures, without trailing zeros."""
    return _finite(lambda value: f"{value:.{number}g}")


def percent(value: float) -> str:
    """A share in whole percent."""
    return f"{value:.0%}"


def short(value: float) -> str:
    """Write three figures, with k and M for thousands and millions: 0.0123, 1.23, 123, 12.3k, 1.23M."""
    return _finite(_short)(value)


def spread(values: Sequence[float | None], write: Write = short) -> str:
    """`median [lowest, highest]`, or one number where these three are written alike.

    Args:
        values: one for each run; None where the run never got there, which is counted in brackets behind the rest.
        write: how each number is written.
    """
    found = [value for value in values if value is not None]
    if not found:
        return NEVER
    missed = f" ({len(values) - len(found)} {NEVER})" if len(found) < len(values) else ""
    low, middle, high = (write(number) for number in (min(found), statistics.median(found), max(found)))
    return (middle if low == middle == high else f"{middle} [{low}, {high}]") + missed


def _finite(write: Write) -> Write:
    """What is not finite has no digits."""
    return lambda value: write(value) if math.isfinite(value) else NEVER if math.isinf(value) else NOT_MEASURED


def _short(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e6 if letter == 'M' else 1e3):#.3g}{letter}".replace(f".{letter}", letter)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
