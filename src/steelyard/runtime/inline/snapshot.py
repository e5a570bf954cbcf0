"""The state of an inline run on disk: three files of a checkpoint beside the learner's two.

state.json              the coordinator's state, the clock, stamps of published weights, positions in the records
flight.msgpack          the events to come, with their trajectories
published.safetensors   published weights that the learner's own file does not bring back
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from steelyard.core import SteelyardError
from steelyard.runtime.coordinator import CoordinatorState
from steelyard.runtime.coordinator.saved_state import read_coordinator_state
from steelyard.runtime.inline.delayed_store import DelayedWeightStore
from steelyard.runtime.inline.events import Queue
from steelyard.runtime.run_dir import checkpoint
from steelyard.runtime.run_dir.disk import writing

_FLIGHT = "flight.msgpack"
_PUBLISHED = "published.safetensors"
_HINT = "resume an inline run from a checkpoint that it made itself, or begin anew"


@dataclass
class Clock:
    """Virtual time (seconds) and what is counted along it."""

    now: float = 0.0
    waiting_since: float = 0.0
    """When the learner last ended a step."""
    idle: float = 0.0
    """Seconds that the learner has waited."""
    events: int = 0
    batches: int = 0
    """Searcher batches begun: the address of their faults."""


class Snapshot(msgspec.Struct, kw_only=True):
    """The driver's own part of state.json."""

    runtime: Literal["inline"] = "inline"
    clock: Clock
    weights: list[tuple[int, str] | None]
    """Published weights, the visible first."""
    records: dict[str, int]


def write(
    part: Path,
    snapshot: Snapshot,
    state: CoordinatorState,
    queue: Queue,
    weights: DelayedWeightStore,
    known: Mapping[str, np.ndarray],
) -> None:
    """Write the three files.

    Args:
        part: a checkpoint that is being made.
        snapshot: the driver's part of state.json.
        state: the coordinator's.
        queue: the events to come.
        weights: on their way to the searchers.
        known: weights that need not be written, by digest.

    Raises:
        FaultError: the disk does not let them be written.
    """
    with writing(part):
        (part / _FLIGHT).write_bytes(queue.to_bytes())
        (part / _PUBLISHED).write_bytes(weights.to_bytes(known))
    checkpoint.write_state(part, msgspec.to_builtins(snapshot) | msgspec.to_builtins(state))


def read(made: Path) -> tuple[Snapshot, CoordinatorState]:
    """The two parts of a checkpoint's state.json.

    Raises:
        SteelyardError: it is missing, or not an inline run's.
    """
    state: dict[str, object] = checkpoint.read_state(made)
    try:
        snapshot = msgspec.convert(state, Snapshot)
    except msgspec.ValidationError as error:
        raise SteelyardError(f"is not an inline run's ({error})", where=str(made), hint=_HINT) from error
    return snapshot, read_coordinator_state(state, str(made))


def read_queue(made: Path) -> Queue:
    """The events to come.

    Raises:
        SteelyardError: the file is missing or damaged.
    """
    try:
        return Queue.from_bytes((made / _FLIGHT).read_bytes())
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise SteelyardError(f"cannot be read ({error})", where=str(made / _FLIGHT), hint=_HINT) from error


def read_weights(made: Path, known: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The bytes of published weights by digest, those that are `known` too.

    Raises:
        SteelyardError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return {**known, **load((made / _PUBLISHED).read_bytes())}
    except (OSError, SafetensorError) as error:
        raise SteelyardError(f"cannot be read ({error})", where=str(made / _PUBLISHED), hint=_HINT) from error
