from collections.abc import Callable

import numpy as np
import pytest

from steelyard.core import Weights, pad
from steelyard.searcher import Assignment, Searcher

BATCH = [Assignment(p, s) for p in range(2) for s in range(3)]


def test_trajectories_are_scored_and_stamped(make: Callable[..., Searcher]) -> None:
    searcher = make()
    found = [t for part in searcher.search(BATCH) for t in part]
    assert {(t.prompt_id, t.sample) for t in found} == {(f"p{p}", s) for p in range(2) for s in range(3)}
    for t in found:
        assert t.reward == len(searcher.policy.decode(t.completion_T))
        assert (t.version, t.digest) == (0, searcher.reference.digest)
        assert t.info == {}


def test_samples_of_the_reference_carry_its_logp(make: Callable[..., Searcher]) -> None:
    found = [t for part in make().search(BATCH) for t in part]
    for t in found:
        assert t.logp_ref_T is not None
        np.testing.assert_array_equal(t.logp_ref_T, t.logp_behaviour_T)


def test_reference_logp_is_the_references_at_the_policys_temperature(make: Callable[..., Searcher]) -> None:
    searcher = make(temperature=0.7, search=2.0)
    changed = searcher.policy.weights()
    changed.view(np.float32)[:] *= 1.5
    searcher.weights.publish(Weights.of(changed, 1))
    found = [t for part in searcher.search(BATCH) for t in part]
    assert {t.version for t in found} == {1}
    p = pad(found)
    with searcher.policy.holding(searcher.reference.data):
        logp_NT = searcher.policy.step_logp(p.tokens_NT, p.attend_NT, p.action_NT, temperature=0.7).logp_NT
    for row, t in zip(logp_NT.detach().numpy(), found, strict=True):
        np.testing.assert_allclose(t.logp_ref_T, row[: len(t.tokens_T)], atol=1e-5)  # type: ignore[arg-type]


def test_without_a_verifier_the_text_travels(make: Callable[..., Searcher]) -> None:
    searcher = make(None)
    found = [t for part in searcher.search(BATCH) for t in part]
    assert all(t.info["completion"] == searcher.policy.decode(t.completion_T) and t.reward is None for t in found)


def test_trajectories_stream_in_chunks(make: Callable[..., Searcher]) -> None:
    assert [len(part) for part in make(chunk=2).search(BATCH)] == [2, 2, 2]
    assert [len(part) for part in make(chunk=4).search(BATCH)] == [4, 2]
    assert list(make().search([])) == []


def test_a_delay_comes_after_each_batch(make: Callable[..., Searcher], monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("steelyard.searcher.searcher.time.sleep", slept.append)
    searcher = make(chunk=4, delay=0.25)
    batch = searcher.search(BATCH)
    for size in (4, 2):
        assert len(next(batch)) == size
        assert slept == []
    assert list(batch) == []
    assert slept == [0.25]
