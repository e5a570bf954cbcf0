import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import FaultError, SteelyardError
from steelyard.runtime.failures import Failures
from steelyard.runtime.run import Restarts


def test_the_wait_doubles_with_each_failure_of_the_same_part() -> None:
    failures = Failures(Restarts(limit=9, window=300.0, backoff=0.5, longest_backoff=3.0))
    waits = [failures.note("searcher 0", "died (SIGKILL)", float(now)) for now in range(5)]
    assert waits == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert failures.note("searcher 1", "died (SIGKILL)", 5.0) == 0.5, "another part starts anew"
    assert failures.total == 6


def test_failures_are_forgotten_after_the_window() -> None:
    failures = Failures(Restarts(limit=1, window=10.0, backoff=1.0))
    assert [failures.note("s", "hung", now) for now in (0.0, 10.0, 20.0, 30.0)] == [1.0] * 4
    assert failures.total == 4
    with pytest.raises(FaultError):
        failures.note("s", "hung", 39.9)


def test_one_more_than_the_limit_ends_the_run_and_names_the_causes() -> None:
    failures = Failures(Restarts(limit=3, window=60.0))
    for who, why in (("searcher 1", "died (SIGKILL)"), ("searcher 0", "hung"), ("searcher 0", "died (SIGKILL)")):
        failures.note(who, why, 0.0)
    with pytest.raises(FaultError) as found:
        failures.note("searcher 2", "ran out of memory", 1.0)
    assert str(found.value).startswith(
        "supervisor: 4 failures within 60 s: searcher 2 ran out of memory; "
        "searcher 0, searcher 1 died (SIGKILL); searcher 0 hung; "
    )
    assert found.value.exit_code == 1


def test_a_limit_of_0_ends_the_run_at_the_first() -> None:
    with pytest.raises(FaultError, match=r"1 failures? within"):
        Failures(Restarts(limit=0)).note("s", "hung", 0.0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 20)), max_size=25), st.integers(0, 5))
def test_it_ends_exactly_when_more_than_the_limit_lie_within_the_window(events: list, limit: int) -> None:
    failures, now, seen = Failures(Restarts(limit=limit, window=30.0)), 0.0, []
    for who, after in events:
        now += after
        seen.append(now)
        recent = [t for t in seen if t > now - 30]
        if len(recent) > limit:
            with pytest.raises(FaultError):
                failures.note(who, "died", now)
            return
        failures.note(who, "died", now)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 20)), max_size=12), st.integers(0, 12))
def test_a_restored_count_goes_on_alike(events: list, cut: int) -> None:
    def waits(failures: Failures, start: float, events: list) -> list[float]:
        now, found = start, []
        for who, after in events:
            now += after
            found.append(failures.note(who, "died", now))
        return found

    one, other = Failures(Restarts(limit=20, window=30.0)), Failures(Restarts(limit=20, window=30.0))
    waits(one, 0.0, events[:cut])
    other.restore(one.state())
    start = sum(after for _, after in events[:cut])
    assert waits(one, start, events[cut:]) == waits(other, start, events[cut:])


@pytest.mark.parametrize(
    "settings", [{"limit": -1}, {"window": 0.0}, {"backoff": 0.0}, {"backoff": -1.0}, {"longest_backoff": 0.0}]
)
def test_settings_out_of_range_are_one_line(settings: dict) -> None:
    with pytest.raises(SteelyardError, match=rf"^restarts\.{next(iter(settings))}: is"):
        Restarts(**settings)
