"""Weights through Ray's object store."""

from typing import Any

import numpy as np
import pytest

from steelyard.core import FaultError, StallError, Weights, digest_of
from steelyard.runtime.ray.objects import ObjectPorts, ObjectWeights

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray leaves files and sockets to the garbage collector


def weights(version: int) -> Weights:
    return Weights.of(np.full(300_000, version, np.uint8), version)


def test_what_the_learner_puts_is_pulled_by_who_was_shown_it(cluster: Any) -> None:
    offered: list[tuple[str, int, str, Any]] = []
    learner = ObjectPorts(lambda *named: offered.append(named))
    newest, references = learner.create(weights(4), weights(2))
    digest = newest.write(5, lambda slot_B: slot_B.fill(5))
    assert [offer[:2] for offer in offered] == [("weights", 4), ("reference", 2)], "what is written is not shown"
    newest.show(5)
    references.publish(weights(3))
    searcher = ObjectPorts(lambda *_: None)
    read, read_references = searcher.attach()
    assert read.newest() == -1
    for which, *named in offered:
        searcher.ways[which].take(*named)
    assert (read.newest(), read_references.newest()) == (5, 3)
    found = read.read()
    assert (found.version, found.digest) == (5, digest)
    assert found.digest == digest_of(np.full(300_000, 5, np.uint8))
    assert (found.data == 5).all()
    assert (read_references.read().data == 3).all()


def test_shows_that_overtook_each_other_do_not_lead_back(cluster: Any) -> None:
    offered: list[tuple[int, str, Any]] = []
    learner = ObjectWeights(lambda *named: offered.append(named))
    for version in (1, 2):
        learner.publish(weights(version))
    reader = ObjectWeights(lambda *_: None)
    for named in reversed(offered):
        reader.take(*named)
    assert reader.read().version == reader.newest() == 2


def test_other_bytes_than_were_put_are_refused(cluster: Any) -> None:
    reader = ObjectWeights(lambda *_: None)
    reader.take(1, "0123456789abcdef", cluster.put(weights(1).data))
    with pytest.raises(FaultError, match=r"version 1 arrived with digest .* in place of 0123456789abcdef"):
        reader.read()


def test_a_wait_for_weights_has_a_deadline(cluster: Any) -> None:
    with pytest.raises(StallError, match="reader waits for published weights"):
        ObjectWeights(lambda *_: None).read(deadline=0.05)
