import os
import threading

import numpy as np
import pytest

from steelyard.core import Weights, digest_of
from steelyard.runtime.local.shared import SharedWeights, unnamed_file


@pytest.fixture
def descriptor():
    handle = unnamed_file()
    yield handle
    os.close(handle)


@pytest.mark.parametrize("size", [1, 7, 8, 1001])
def test_what_is_published_is_read(descriptor: int, size: int) -> None:
    data = np.arange(size, dtype=np.uint8)
    store = SharedWeights.create(descriptor, Weights.of(data, 0))
    reader = SharedWeights.attach(descriptor)
    for version in range(1, 5):
        newest = Weights.of(data + version, version)
        store.publish(newest)
        assert reader.newest() == version
        got = reader.read()
        assert (got.version, got.digest) == (version, newest.digest)
        np.testing.assert_array_equal(got.data, data + version)
    store.close()
    reader.close()


@pytest.mark.parametrize("version", [0, 7])
def test_the_first_weights_are_there_at_once(descriptor: int, version: int) -> None:
    first = Weights.of(np.arange(1, 10, dtype=np.uint8), version)
    SharedWeights.create(descriptor, first)
    got = SharedWeights.attach(descriptor).read(deadline=5.0)
    assert (got.version, got.digest) == (version, first.digest)


def test_publishing_keeps_the_copy_a_reader_took(descriptor: int) -> None:
    store = SharedWeights.create(descriptor, Weights.of(np.zeros(64, np.uint8), 0))
    held = store.read()
    store.publish(Weights.of(np.ones(64, np.uint8), 1))
    store.publish(Weights.of(np.full(64, 2, np.uint8), 2))
    assert held.digest == digest_of(np.zeros(64, np.uint8))
    assert not held.data.any()


def test_what_is_written_is_seen_when_it_is_shown(descriptor: int) -> None:
    """Between the two the digest can be told to whoever must know it first."""
    store = SharedWeights.create(descriptor, Weights.of(np.zeros(9, np.uint8), 0))
    reader = SharedWeights.attach(descriptor)
    for version in (3, 4, 5):
        before = reader.read()
        digest = store.write(version, lambda slot_B, version=version: slot_B.fill(version))
        assert digest == digest_of(np.full(9, version, np.uint8))
        assert reader.newest() == before.version
        assert reader.read().digest == before.digest
        store.show(version)
        assert reader.newest() == version
        assert reader.read().digest == digest
    store.close()
    reader.close()


@pytest.mark.parametrize("in_two_steps", [False, True])
def test_a_reader_never_sees_a_torn_copy(descriptor: int, in_two_steps: bool) -> None:
    """A writer that laps the reader thousands of times: every copy is of one version, and of the version it says."""
    size, last = 200_000, 3000
    store = SharedWeights.create(descriptor, Weights.of(np.zeros(size, np.uint8), 0))

    def write() -> None:
        for version in range(1, last + 1):
            if in_two_steps:
                store.write(version, lambda slot_B, version=version: slot_B.fill(version % 251))
                store.show(version)
            else:
                store.publish(Weights.of(np.full(size, version % 251, np.uint8), version))

    writer = threading.Thread(target=write)
    writer.start()
    reader, seen = SharedWeights.attach(descriptor), [0]
    while seen[-1] < last:
        got = reader.read()
        assert got.data.min() == got.data.max() == got.version % 251
        assert got.version >= seen[-1]
        seen.append(got.version)
    writer.join()
    assert len(set(seen)) > 2
