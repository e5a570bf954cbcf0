import os
import threading

import numpy as np
import pytest

from steelyard.core import Weights, digest_of
from steelyard.runtime.shared import SharedWeights, unnamed_file


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


def test_publishing_keeps_the_copy_a_reader_took(descriptor: int) -> None:
    store = SharedWeights.create(descriptor, Weights.of(np.zeros(64, np.uint8), 0))
    held = store.read()
    store.publish(Weights.of(np.ones(64, np.uint8), 1))
    store.publish(Weights.of(np.full(64, 2, np.uint8), 2))
    assert held.digest == digest_of(np.zeros(64, np.uint8))
    assert not held.data.any()


def test_a_reader_never_sees_a_torn_copy(descriptor: int) -> None:
    """A writer that laps the reader thousands of times: every copy is of one version, and of the version it says."""
    size, last = 200_000, 3000
    store = SharedWeights.create(descriptor, Weights.of(np.zeros(size, np.uint8), 0))

    def write() -> None:
        for version in range(1, last + 1):
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
