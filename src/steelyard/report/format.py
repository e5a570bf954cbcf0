"""Numbers as a reader wants them."""

import math
from collections.abc import Mapping
from typing import TypeGuard

from steelyard.core.json import JsonMapping

DASH = "–"


def is_number(value: object) -> TypeGuard[int | float]:
    """True for a finite int or float that is not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: object) -> str:
    """Four significant digits, thousands grouped; a dash where there is none."""
    if not is_number(value):
        return DASH
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


def percent(value: object) -> str:
    """A share as a percentage with one decimal."""
    return f"{100 * value:.1f}%" if is_number(value) else DASH


def duration(seconds: object) -> str:
    """Seconds as hours, minutes and seconds; two units at most."""
    if not is_number(seconds):
        return DASH
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def flatten(settings: JsonMapping, prefix: str = "") -> list[tuple[str, object]]:
    """Nested settings as dotted names and values, in their order."""
    flat: list[tuple[str, object]] = []
    for name, value in settings.items():
        inner = isinstance(value, Mapping) and len(value) > 0
        flat += flatten(value, f"{prefix}{name}.") if inner else [(f"{prefix}{name}", value)]
    return flat
