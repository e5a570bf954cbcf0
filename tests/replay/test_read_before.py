"""What was read last is not read again, within a bound of bytes."""

from pathlib import Path

import numpy as np
import pytest

from steelyard.core import Sampling, Trajectory, from_bytes, to_bytes
from steelyard.replay import PrioritizedReplay, ReplayBuffer
from steelyard.replay.read_before import ReadBefore


def stored(number: int, steps: int = 4) -> Trajectory:
    """A trajectory as it is read from a file."""
    logp_T = np.zeros(steps, np.float32)
    some = Trajectory(
        "x",
        np.full(steps, number, np.int32),
        np.ones(steps, bool),
        logp_T,
        0,
        "",
        Sampling(),
        "stop",
        number,
        reward=0.0,
    )
    return from_bytes(to_bytes(some))


SIZE = len(to_bytes(stored(0)))


def test_the_one_unused_for_longest_goes_first():
    kept = ReadBefore(2 * SIZE)
    kept.put({1: stored(1), 2: stored(2)})
    assert [*kept.take([1])] == [1]
    kept.put({3: stored(3)})
    assert [*kept.take([1, 2, 3])] == [1, 3]


def test_one_that_is_larger_than_the_bound_is_not_kept_and_does_no_harm():
    kept = ReadBefore(2 * SIZE)
    kept.put({1: stored(1, steps=200)})
    assert kept.take([1]) == {}
    kept.put({2: stored(2), 3: stored(3)})
    assert [*kept.take([2, 3])] == [2, 3]


def test_after_clear_nothing_is_there_and_the_whole_bound_is_free():
    kept = ReadBefore(2 * SIZE)
    kept.put({1: stored(1), 2: stored(2)})
    kept.clear()
    assert kept.take([1, 2]) == {}
    kept.put({3: stored(3), 4: stored(4)})
    assert [*kept.take([3, 4])] == [3, 4]


@pytest.fixture
def buffer(tmp_path: Path):
    opened = PrioritizedReplay(recent_probability=0.0).open(seed=0, path=tmp_path / "replay.sqlite")
    yield opened
    opened.close()


def numbers(buffer: ReplayBuffer, draw: int) -> list[int]:
    groups = buffer.sample(1, 4, version=0, draw=draw)
    assert groups is not None
    return sorted(int(t.tokens_T[0]) for t in groups[0])


def test_a_file_that_was_rolled_back_gives_what_it_holds_and_not_what_was_read(buffer: ReplayBuffer):
    """The rows after the rollback have the numbers of the events that were undone."""
    state = buffer.state()
    buffer.add([stored(n) for n in range(4)], version=0)
    assert numbers(buffer, 0) == [0, 1, 2, 3]
    buffer.restore(state, keep_later=False)
    buffer.add([stored(n) for n in range(10, 14)], version=0)
    assert numbers(buffer, 1) == [10, 11, 12, 13]


def test_what_is_drawn_again_is_not_read_again(buffer: ReplayBuffer):
    buffer.add([stored(n) for n in range(4)], version=0)
    first, again = (buffer.sample(1, 4, version=0, draw=d) for d in (0, 1))
    assert first is not None
    assert again is not None
    assert {id(t) for t in first[0]} == {id(t) for t in again[0]}
