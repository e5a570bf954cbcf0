"""Publication from a GPU: in the background, whole, and announced before it is seen."""

import os
import threading

import numpy as np
import pytest
import torch

from gpu.shapes import CUDA
from steelyard.core import Weights, digest_of
from steelyard.policy import Policy
from steelyard.runtime.local.shared import SharedWeights, unnamed_file
from steelyard.runtime.roles.publisher import Publisher


@pytest.fixture
def memory():
    handle = unnamed_file()
    yield handle
    os.close(handle)


def test_it_does_not_wait_and_what_is_seen_is_whole(memory, wide_model_dir):
    policy = Policy.load(str(wide_model_dir)).to(CUDA)
    store = SharedWeights.create(memory, Weights.of(policy.weights(), 0))
    told, may_go_on = [], threading.Event()

    def announce(version, digest):
        assert may_go_on.wait(20)
        told.append((version, digest))

    publisher = Publisher(store, policy, announce, 30.0)
    reader = SharedWeights.attach(memory)
    expected = policy.weights()
    publisher.publish(1)
    with torch.no_grad():  # the learner's next step
        for p in policy.trainable().values():
            p.mul_(2)
    assert reader.newest() == 0
    may_go_on.set()
    publisher.wait()
    found = reader.read()
    assert told == [(1, digest_of(expected))]
    assert (found.version, found.digest) == told[0]
    assert np.array_equal(found.data, expected)
    publisher.publish(2)
    publisher.publish(3)
    publisher.wait()
    assert np.array_equal(reader.read().data, policy.weights())
    assert [version for version, _ in told] == [1, 2, 3]
    reader.close()
