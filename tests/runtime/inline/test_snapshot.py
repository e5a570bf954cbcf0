from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from steelyard.core import SteelyardError, Weights
from steelyard.runtime.coordinator import CoordinatorState
from steelyard.runtime.inline import snapshot
from steelyard.runtime.inline.delayed_store import DelayedWeightStore
from steelyard.runtime.inline.events import Event, Queue
from steelyard.runtime.run_dir.checkpoint import begin, read_state, write_state

STATE = CoordinatorState(
    steps=1, version=1, evaluated_step=0, scheduler={"a": [1]}, owed=[], statistics={}, failures={}, timers={},
    logp_mismatch=(1e-7, 2e-7), replay={"position": 3},
)  # fmt: skip
FIRST = Weights.of(np.arange(8, dtype=np.uint8), 0)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """A checkpoint's directory with the three files, at 2.5 virtual seconds."""
    queue = Queue()
    queue.put(Event(3.0, "search", 2.5, searcher=0))
    made = snapshot.Snapshot(
        clock=snapshot.Clock(now=2.5, events=7), weights=[(0, FIRST.digest), None], records={"metrics.jsonl": 10}
    )
    part = begin(tmp_path, 1)
    snapshot.write(part, made, STATE, queue, DelayedWeightStore(FIRST), {})
    return part


def test_what_is_written_is_read(part: Path) -> None:
    found, state = snapshot.read(part)
    assert (found.clock, state) == (snapshot.Clock(now=2.5, events=7), STATE)
    assert (found.weights, found.records) == ([(0, FIRST.digest), None], {"metrics.jsonl": 10})
    assert snapshot.read_queue(part).next_time == 3.0
    known = {"k": np.zeros(1, np.uint8)}
    weights = snapshot.read_weights(part, known)
    assert [*weights] == ["k", FIRST.digest]
    assert (weights[FIRST.digest] == FIRST.data).all()


@pytest.mark.parametrize(
    "change", [{"runtime": "local"}, {"clock": {"now": "late"}}, {"clock": None}, {"weights": [[0]]}, {"more": 1}]
)
def test_a_state_of_another_kind_is_one_line(part: Path, change: dict[str, Any]) -> None:
    write_state(part, read_state(part) | change)
    with pytest.raises(SteelyardError, match=r"is not an inline run's|is no state of a run") as error:
        snapshot.read(part)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x80", msgspec.msgpack.encode({"made": 1, "events": [[1]]})])
def test_damaged_events_are_one_line(part: Path, data: bytes) -> None:
    (part / "flight.msgpack").write_bytes(data)
    with pytest.raises(SteelyardError, match=r"flight\.msgpack: cannot be read"):
        snapshot.read_queue(part)


@pytest.mark.parametrize("data", [b"", b"\xff" * 8, b"\x08\0\0\0\0\0\0\0not json"])
def test_damaged_weights_are_one_line(part: Path, data: bytes) -> None:
    (part / "published.safetensors").write_bytes(data)
    with pytest.raises(SteelyardError, match=r"published\.safetensors: cannot be read"):
        snapshot.read_weights(part, {})


def test_missing_files_are_one_line(part: Path) -> None:
    for path in part.iterdir():
        path.unlink()
    for read in (snapshot.read, snapshot.read_queue, lambda made: snapshot.read_weights(made, {})):
        with pytest.raises(SteelyardError):
            read(part)
