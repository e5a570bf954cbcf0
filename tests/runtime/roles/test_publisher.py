import os

import numpy as np
import torch

from steelyard.core import Weights, digest_of
from steelyard.policy import Policy
from steelyard.runtime.local.shared import SharedWeights, unnamed_file
from steelyard.runtime.roles.publisher import Publisher


def test_on_the_processor_weights_are_announced_and_then_shown_at_once(tiny_model_dir):
    policy, handle = Policy.load(str(tiny_model_dir("llama"))), unnamed_file()
    store = SharedWeights.create(handle, Weights.of(policy.weights(), 0))
    reader, told = SharedWeights.attach(handle), []
    publisher = Publisher(store, policy, lambda *named: told.append((*named, reader.newest())), 5.0)
    with torch.no_grad():
        policy.head.weight.mul_(2)
    publisher.publish(3)
    publisher.wait()
    found = reader.read()
    assert told == [(3, digest_of(policy.weights()), 0)]
    assert (found.version, found.digest) == told[0][:2]
    assert np.array_equal(found.data, policy.weights())
    assert not publisher.pinned
    for each in (store, reader):
        each.close()
    os.close(handle)
