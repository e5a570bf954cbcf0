import numpy as np
import pytest
from safetensors.numpy import load

from steelyard.core import SteelyardError, Weights
from steelyard.runtime.inline.delayed_store import DelayedWeightStore


def weights(version: int) -> Weights:
    return Weights.of(np.full(8, version, np.uint8), version)


def send(store: DelayedWeightStore, sent: Weights | None) -> None:
    if sent is None:
        store.lose()
    else:
        store.publish(sent)


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_weights_are_seen_lag_publications_later(lag: int) -> None:
    store = DelayedWeightStore(weights(0), lag)
    seen = []
    for version in range(1, 6):
        store.publish(weights(version))
        seen.append(store.newest())
    assert seen == [max(0, version - lag) for version in range(1, 6)]


def test_a_lost_publication_is_never_seen() -> None:
    """Lag 1: 1 is lost, so at its turn 0 stays; 2 comes when 3 is sent."""
    store = DelayedWeightStore(weights(0), 1)
    seen = []
    for sent in (None, weights(2), weights(3), None, None):
        send(store, sent)
        seen.append(store.newest())
    assert seen == [0, 0, 2, 3, 3]


def test_what_is_on_its_way_comes_back() -> None:
    store = DelayedWeightStore(weights(0), 2)
    for sent in (weights(1), None, weights(3)):
        send(store, sent)
    known = {weights(3).digest: weights(3).data}
    written = load(store.to_bytes(known))
    assert [*written] == [weights(1).digest], "what is known is not written twice"
    assert store.stamps() == [(1, weights(1).digest), None, (3, weights(3).digest)]

    again = DelayedWeightStore(weights(0), 2)
    again.restore(store.stamps(), known | written)
    assert again.stamps() == store.stamps()
    assert (again.read().data == 1).all()
    again.publish(weights(4))
    assert again.newest() == 1, "the lost one's turn"
    again.publish(weights(5))
    assert again.newest() == 3
    assert (again.read().data == 3).all()


def test_missing_weights_are_named() -> None:
    with pytest.raises(SteelyardError, match=weights(1).digest):
        DelayedWeightStore(weights(0)).restore([(1, weights(1).digest)], {})
