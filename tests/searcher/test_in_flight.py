"""Newer weights in the middle of a batch: they reach the engine, and the probe compares only what it can."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from steelyard.core import FaultError, Request, Sampling, Trajectory, Weights
from steelyard.rollout import TransformersEngine
from steelyard.rollout.native import NativeEngine
from steelyard.searcher import Assignment, Searcher

BATCH = [Assignment(p, s) for p in range(2) for s in range(3)]


class Fluid(TransformersEngine):
    """Has the weights that come in the middle of a batch draw the last token of all that is not finished yet.

    Those it marks, and their log-probabilities are no model's.
    """

    def __init__(self, policy, seed: int) -> None:
        super().__init__(policy, seed)
        self.loaded: list[int] = []

    def load(self, weights: Weights) -> None:
        super().load(weights)
        self.loaded.append(weights.version)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Trajectory]:
        begun = None
        for t in super().generate(requests, sampling):
            begun = begun or len(self.loaded)
            if len(self.loaded) > begun:
                version_T = np.full(len(t.tokens_T), t.version, np.int32)
                version_T[-1] = self.loaded[-1]
                t = t.replace(version_T=version_T, logp_behaviour_T=t.logp_behaviour_T - t.action_T * np.float32(9))
            yield t


class Forgetful(TransformersEngine):
    """Draws every second completion with weights that nobody gave it."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Trajectory]:
        for number, t in enumerate(super().generate(requests, sampling)):
            yield t.replace(version=8, digest="8" * 16) if number % 2 else t


def other(searcher: Searcher, version: int) -> Weights:
    data = searcher.held.data.copy() if searcher.held else searcher.policy.weights()
    data.view(np.float32)[:] *= 1.01
    return Weights.of(data, version)


def publish_after(searcher: Searcher, number: int, version: int) -> None:
    """New weights are there once the engine has finished so many trajectories."""
    generate, weights = searcher.engine.generate, other(searcher, version)

    def publishing(requests: Sequence[Request], sampling: Sampling) -> Iterator[Trajectory]:
        for finished, t in enumerate(generate(requests, sampling), start=1):
            if finished == number:
                searcher.weights.publish(weights)
            yield t

    searcher.engine.generate = publishing


def search(searcher: Searcher) -> list[Trajectory]:
    return [t for part in searcher.search(BATCH) for t in part]


@pytest.mark.parametrize("in_flight", [False, True])
def test_newer_weights_reach_the_engine_when_they_may(make: Callable[..., Searcher], in_flight: bool) -> None:
    searcher = make(engine=Fluid, in_flight=in_flight)
    publish_after(searcher, 2, version=5)
    found = search(searcher)
    assert searcher.engine.loaded == ([0, 5] if in_flight else [0])
    mixed = [t for t in found if t.version_T is not None]
    assert len(mixed) == (4 if in_flight else 0)
    for t in found:
        assert (t.version, t.digest) == (0, searcher.reference.digest)
    search(searcher)
    assert searcher.engine.loaded == [0, 5]


def test_only_what_one_version_drew_is_compared(make: Callable[..., Searcher]) -> None:
    searcher = make(engine=Fluid, in_flight=True)
    publish_after(searcher, 2, version=5)
    found = search(searcher)
    assert searcher.logp_mismatch is not None
    assert searcher.logp_mismatch.tokens == sum(int(t.action_T.sum()) for t in found if t.version_T is None)
    assert searcher.logp_mismatch.max < 1e-4


def test_where_one_version_drew_nothing_whole_the_gauge_says_nothing(make: Callable[..., Searcher]) -> None:
    class Mixed(TransformersEngine):
        def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Trajectory]:
            for t in super().generate(requests, sampling):
                yield t.replace(version_T=np.arange(len(t.tokens_T), dtype=np.int32))

    searcher = make(engine=Mixed, in_flight=True)
    assert len(search(searcher)) == len(BATCH)
    assert searcher.logp_mismatch is None


def test_weights_that_the_engine_was_never_given_are_caught(make: Callable[..., Searcher]) -> None:
    with pytest.raises(FaultError, match="the engine samples version 8"):
        search(make(engine=Forgetful, in_flight=True))


def test_a_mixed_trajectory_is_no_sample_of_the_reference(make: Callable[..., Searcher]) -> None:
    searcher = make(engine=Fluid, in_flight=True)
    publish_after(searcher, 2, version=5)
    for t in search(searcher):
        assert t.logp_ref_T is not None
        shift_T = t.logp_ref_T - t.logp_behaviour_T
        np.testing.assert_allclose(shift_T, 0.0 if t.version_T is None else 9.0 * t.action_T, atol=1e-5)


def test_the_native_engine_says_which_version_drew_each_token(make: Callable[..., Searcher]) -> None:
    native, sampling = lambda policy, seed: NativeEngine(policy, seed, in_flight=True), Sampling(1.0, 30)
    searcher = make(engine=native, in_flight=True, search=sampling)
    publish_after(searcher, 1, version=5)
    found = search(searcher)
    mixed = [t for t in found if t.version_T is not None]
    assert mixed
    for t in mixed:
        assert t.version_T is not None
        assert t.version == t.version_T[0] == 0
        assert set(t.version_T[t.action_T].tolist()) == {0, 5}
        assert (np.diff(t.version_T) >= 0).all()
    assert {t.version for t in search(searcher)} == {5}
