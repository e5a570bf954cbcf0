"""The coordinator's part of a checkpoint, and the reader of the form that earlier versions wrote."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from steelyard.core import SteelyardError
from steelyard.core.moved import current_state_keys
from steelyard.searcher import Assignment

_HINT = "resume from another checkpoint, or begin anew"


_OTHERS = ("runtime", "records", "clock", "weights", "restarts")
"""Keys of state.json that are a driver's, or were the coordinator's once."""


class CoordinatorState(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """All that a resume needs beside the learner's files; its fields are keys of state.json.

    What a part of the coordinator calls its `state` is that part's to read.
    """

    steps: int
    version: int
    evaluated_step: int
    scheduler: dict[str, object]
    owed: list[tuple[int, int]]
    """(prompt, sample) that searchers had not delivered and that a resume hands out again."""
    statistics: dict[str, object]
    failures: dict[str, object]
    timers: dict[str, float]
    logp_mismatch: tuple[float, float] | None
    replay: dict[str, object]


@dataclass(frozen=True)
class Flight:
    """Work in flight that a driver brings back from a checkpoint, or begins with."""

    batches: Mapping[str, Sequence[Assignment]] = field(default_factory=dict)
    """What each searcher is drawing."""
    since: Mapping[str, float] = field(default_factory=dict)
    """When it began."""
    waiting_since: float | None = None
    """When the learner began to wait; None while it makes a step."""


def read_coordinator_state(state: Mapping[str, object], where: str) -> CoordinatorState:
    """The coordinator's part of what state.json holds.

    Raises:
        SteelyardError: it is not one.
    """
    now = current_state_keys(state)
    if "owed" not in now or "failures" not in now:
        now |= _missing_in_first_form(now)
    found = {name: value for name, value in now.items() if name not in _OTHERS}
    try:
        return msgspec.convert(found, CoordinatorState)
    except msgspec.ValidationError as error:
        raise SteelyardError(f"is no state of a run ({error})", where=where, hint=_HINT) from error


def _missing_in_first_form(state: Mapping[str, object]) -> dict[str, object]:
    """What commit b428305 and earlier did not write, or wrote otherwise. Each runtime had a form of its own there.

    An inline run did not write its steps: its statistics count as many, and its version is the same number. A local run
    wrote how many restarts there were, and no failures.
    """
    statistics = state.get("statistics", {})
    steps = state.get("steps", statistics.get("steps") if isinstance(statistics, Mapping) else None)
    gap = state.get("logp_mismatch")
    return {
        "steps": steps,
        "version": state.get("version", steps),
        "evaluated_step": state.get("evaluated_step", steps),
        "owed": state.get("owed", []),
        "failures": state.get("failures", {"total": state.get("restarts", 0), "recent": []}),
        "timers": state.get("timers", {}),
        "logp_mismatch": (gap.get("mean"), gap.get("max")) if isinstance(gap, Mapping) else None,
    }
