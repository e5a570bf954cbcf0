import pytest

from rollout.drawn import changed
from steelyard.core import SteelyardError, Weights, digest_of
from steelyard.rollout.staged_weights import StagedWeights


def test_the_policys_own_weights_are_version_0(llama):
    held = StagedWeights(llama)
    assert (held.version, held.digest, held.waiting) == (0, digest_of(llama.weights()), False)
    held.take()
    assert held.version == 0


def test_what_was_offered_last_is_taken_when_it_is_time(llama):
    own = llama.weights()
    newer = [changed(llama, version) for version in (3, 4)]
    llama.load_weights(own)
    held = StagedWeights(llama)
    for weights in newer:
        held.offer(weights)
    assert held.waiting
    assert (held.version, llama.weights().tobytes()) == (0, own.tobytes())
    held.take()
    assert (held.version, held.digest, held.waiting) == (4, newer[1].digest, False)
    assert llama.weights().tobytes() == newer[1].data.tobytes()


def test_what_is_refused_leaves_what_waits(llama):
    data = llama.weights()
    held, good = StagedWeights(llama), Weights.of(data.copy(), 2)
    held.offer(good)
    digest = digest_of(data)
    data[5] ^= 1
    with pytest.raises(SteelyardError, match="version 3 are damaged"):
        held.offer(Weights(data, 3, digest))
    with pytest.raises(SteelyardError, match=r"bytes of weights for a policy that has \d+; load weights of the same"):
        held.offer(Weights.of(data[:-4].copy(), 3))
    held.take()
    assert (held.version, held.digest) == (2, good.digest)
