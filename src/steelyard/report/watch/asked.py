"""What an address asks for, read from its query: every value is checked before anything is looked up."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from steelyard.core import SteelyardError, require
from steelyard.replay.browse import ORDERS, STATES, Filter, Order, State

MAX_TEXT = 1000
"""Characters of a searched text."""
MAX_NUMBER = 2**53
Query = Mapping[str, str]


@dataclass(frozen=True)
class Asked:
    """A page of trajectories that somebody asks for."""

    filter: Filter
    order: Order
    text: str = ""
    """A part of the prompt's or the completion's text."""
    prompt: str = ""
    """A part of the prompt's text, or of its id."""
    offset: int = 0
    """Number of trajectories that pass the filter before the first one looked at."""


def chosen_runs(text: str, count: int) -> list[int]:
    """Which of `count` runs are to be shown, from their numbers with commas between; all where none is named.

    Raises:
        SteelyardError: a number is no run's.
    """
    named = [number(part, "runs", most=count - 1) for part in text.split(",") if part]
    return list(dict.fromkeys(named)) or list(range(count))


def number(text: str, where: str, *, most: int = MAX_NUMBER) -> int:
    """A whole number from 0 to `most`.

    Raises:
        SteelyardError: it is something else.
    """
    good = text.isascii() and text.isdigit() and len(text) < 17 and int(text) <= most
    require(good, f"is {text[:40]!r}", where=where, hint=f"give a whole number from 0 to {most}")
    return int(text)


def rows_asked(query: Query) -> Asked:
    """The page of trajectories that a query names.

    Raises:
        SteelyardError: a value is not of its kind.
    """
    order = _one_of(query.get("order") or "newest", ORDERS, "order")
    bounds = Filter(
        same=_whole(query, "same"),
        state=cast(State, _one_of(query.get("state") or "live", STATES, "state")),
        reward_low=_bound(query, "reward_low"),
        reward_high=_bound(query, "reward_high"),
        version_low=_whole(query, "version_low"),
        version_high=_whole(query, "version_high"),
        until=_whole(query, "until"),
    )
    text, prompt = _short(query, "text"), _short(query, "prompt")
    return Asked(bounds, cast(Order, order), text, prompt, _whole(query, "offset") or 0)


def _one_of(text: str, known: tuple[str, ...], where: str) -> str:
    require(text in known, f"is {text[:40]!r}", where=where, hint=f"choose {', '.join(known)}")
    return text


def _short(query: Query, name: str) -> str:
    text = query.get(name) or ""
    require(len(text) <= MAX_TEXT, f"has {len(text)} characters", where=name, hint=f"give {MAX_TEXT} at most")
    return text


def _whole(query: Query, name: str) -> int | None:
    return number(query[name], name) if query.get(name) else None


def _bound(query: Query, name: str) -> float | None:
    if not query.get(name):
        return None
    hint = "give a number such as 0.5"
    try:
        value = float(query[name])
    except ValueError as error:
        raise SteelyardError(f"is {query[name][:40]!r}", where=name, hint=hint) from error
    require(math.isfinite(value), "is not finite", where=name, hint=hint)
    return value
