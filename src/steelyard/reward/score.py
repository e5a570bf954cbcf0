"""What came back from a verifier, as a score: a finite number, or a failure that says what came instead."""

import math
import numbers
from decimal import Decimal
from typing import Any

from steelyard.core import Score
from steelyard.reward.worker import Reply


def number_of(value: Any) -> float | None:
    """The number that a value is; None where it is none.

    Numbers and booleans of Python, numpy and torch are numbers, also in an array of no dimensions. Texts are none.
    """
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):  # numpy and torch, without importing either
        value = value.item()
    if not isinstance(value, numbers.Real | Decimal):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer beyond all floats
        return math.inf
    except ValueError:  # a signalling nan of decimal
        return math.nan


def score_of(value: object, where: str) -> Score:
    """The score of one completion; what is no finite number is a failure of this one, never a 0."""
    number = number_of(value)
    if number is not None and math.isfinite(number):
        return Score(number)
    said = f"{value!r:.40}" if number is None else number
    return Score(None, error=f"{where}: it gave {said} for this completion")


def score_of_reply(reply: Reply, where: str) -> Score:
    """The score that a worker's reply brings."""
    return Score(None, error=f"{where}: {reply.error}") if reply.error else score_of(reply.value, where)
