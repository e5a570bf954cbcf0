"""What came back from a verifier, as a score: a finite number, or a failure that says what came instead."""

import math
import numbers
from typing import Any

from steelyard.core import Score
from steelyard.reward.worker import Reply


def score_of(value: Any, where: str) -> Score:
    """The score of one completion; what is no finite number is a failure of this one, never a 0."""
    try:
        number = float(value) if isinstance(value, numbers.Real) else math.nan
    except OverflowError:  # an integer beyond all floats
        number = math.inf
    if math.isfinite(number):
        return Score(number)
    said = number if isinstance(value, numbers.Real) else f"{value!r:.40}"
    return Score(None, error=f"{where}: it gave {said} for this completion")


def score_of_reply(reply: Reply, where: str) -> Score:
    """The score that a worker's reply brings."""
    return Score(None, error=f"{where}: {reply.error}") if reply.error else score_of(reply.value, where)
