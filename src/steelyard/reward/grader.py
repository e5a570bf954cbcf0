"""Equivalence of mathematical answers, as it runs inside a worker (see `math.py`, which calls it by this file's path).

math-verify's own time-outs use signals and would hide a slow answer as a wrong one, so they are off: the parent keeps
the deadline. Errors are raised, for the same reason.
"""

import functools
import logging
from typing import Any

import math_verify

logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns of the time-outs that are off


@functools.lru_cache(maxsize=1024)
def _gold(text: str) -> Any:
    return math_verify.parse(text, parsing_timeout=None, raise_on_error=True)  # pyright: ignore[reportArgumentType]


def check(gold: str, completion: str) -> float:
    """1 where the completion's final expression is equal to the right answer, else 0.

    A right answer without anything that mathematics reads equals only its own text, which the parent compared before.
    """
    right = _gold(gold)
    if not right:
        return 0.0
    given = math_verify.parse(completion, parsing_timeout=None, raise_on_error=True)  # pyright: ignore[reportArgumentType]
    return float(math_verify.verify(right, given, timeout_seconds=None, raise_on_error=True))
