"""What a process waits for, and whether that ends by itself."""

import time

from steelyard.core.waiting import waiting, waits, without_deadline_s


def test_waits_are_listed_oldest_first_and_forgotten_at_their_end():
    assert waits() == []
    with waiting("outer"), waiting("inner", ends=True):
        assert [(w.what, w.ends) for w in waits()] == [("outer", False), ("inner", True)]
    assert waits() == []


def test_time_without_a_deadline_counts_from_the_last_wait_that_had_one():
    now = time.monotonic
    assert without_deadline_s(now() + 100) == 0.0
    with waiting("outer"):
        assert 100 <= without_deadline_s(now() + 100) < 101
        with waiting("inner", ends=True):
            assert without_deadline_s(now() + 100) == 0.0
            time.sleep(0.1)
        assert without_deadline_s(now()) < 0.1  # not since the outer one began
