import numpy as np
import pytest

from steelyard.core import Sampling, SteelyardError, Trajectory
from steelyard.runtime.inline.faults import Faults, moment


def found(number: int) -> list[Trajectory]:
    one = np.ones(1)
    tokens, action, logp = one.astype(np.int32), one.astype(bool), one.astype(np.float32)
    return [Trajectory("p", tokens, action, -logp, 0, "d", Sampling(), "stop", i, reward=1.0) for i in range(number)]


def test_a_chance_is_met() -> None:
    faults = Faults(crash=0.25)
    struck = [faults.strikes("crash", 1, batch) for batch in range(2000)]
    assert 440 < sum(struck) < 560
    assert struck == [faults.strikes("crash", 1, batch) for batch in range(2000)]
    assert struck != [faults.strikes("crash", 2, batch) for batch in range(2000)]


def test_kinds_have_draws_of_their_own() -> None:
    one, both = Faults(crash=0.3), Faults(crash=0.3, hang=0.3)
    crashed = [one.strikes("crash", 0, batch) for batch in range(50)]
    assert crashed == [both.strikes("crash", 0, batch) for batch in range(50)]
    assert crashed != [both.strikes("hang", 0, batch) for batch in range(50)]


def test_no_chance_never_strikes_and_certainty_always() -> None:
    assert not any(Faults().strikes("lose", 0, version) for version in range(100))
    assert all(Faults(lose=1.0).strikes("lose", 0, version) for version in range(100))


def test_a_failed_verifier_leaves_no_reward_and_says_so() -> None:
    spoiled = Faults(verifier=0.5).spoil(found(100), 0, batch=3)
    failed = [t for t in spoiled if t.reward is None]
    assert 30 < len(failed) < 70
    assert {t.info["error"] for t in failed} == {"injected verifier fault"}
    assert all(t.reward == 1.0 for t in spoiled if t not in failed)


def test_a_corrupt_batch_is_wholly_under_another_digest() -> None:
    assert {t.digest for t in Faults(corrupt=1.0).spoil(found(4), 0, batch=0)} == {"not-d"}
    assert {t.digest for t in Faults().spoil(found(4), 0, batch=0)} == {"d"}


def test_a_death_falls_inside_the_batch() -> None:
    assert all(0 <= moment(0, batch) < 1 for batch in range(100))


@pytest.mark.parametrize("chance", [-0.1, 1.1, float("nan")])
def test_a_chance_out_of_range_is_refused(chance: float) -> None:
    with pytest.raises(SteelyardError, match="crash"):
        Faults(crash=chance)
