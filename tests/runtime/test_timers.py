"""Stop-watches on a clock that is set by hand."""

from collections.abc import Callable

import pytest

from steelyard.runtime.timers import Watches


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`wait(seconds)` moves the clock on."""
    now = [100.0]
    monkeypatch.setattr("steelyard.runtime.timers.time.monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def test_shares_are_of_the_time_from_first_to_last_step(wait: Callable[[float], None]) -> None:
    watches = Watches()
    wait(5)
    watches.start()
    wait(10)
    watches.stepped(2.0)
    watches.searched(busy=9.0, idle=1.0)
    watches.measured(5.0)
    assert watches.row(4, 20) == {
        "step": 4, "seconds": 10.0, "steps_per_s": 0.4, "completions_per_s": 2.0,
        "learner_idle": 0.2, "searcher_idle": 0.1, "evaluator_busy": 0.5,
    }  # fmt: skip
    watches.finish()
    wait(7)
    watches.measured(6.0)  # of the last weights
    assert watches.result() == {"seconds": 10.0, "learner_idle": 0.2, "searcher_idle": 0.1, "evaluator_busy": 0.5}


def test_a_resumed_run_goes_on_counting(wait: Callable[[float], None]) -> None:
    first, second = Watches(), Watches()
    first.start()
    wait(4)
    first.stepped(1.0)
    first.measured(2.0)
    state = first.state()
    wait(50)
    second.restore({name: value for name, value in state.items() if name != "evaluator_busy"})  # of an older checkpoint
    assert second.result() == {"seconds": 4.0, "learner_idle": 0.25, "searcher_idle": 0.0, "evaluator_busy": 0.0}
    second.restore(state)
    second.start()
    wait(4)
    second.stepped(1.0)
    assert second.result() == {"seconds": 8.0, "learner_idle": 0.25, "searcher_idle": 0.0, "evaluator_busy": 0.25}


def test_the_learner_waits_from_its_step_until_it_is_fed(wait: Callable[[float], None]) -> None:
    watches = Watches()
    assert (watches.waiting, watches.waited()) == (False, 0.0)
    watches.stepped(0.0)
    wait(3)
    assert (watches.waiting, watches.waited()) == (True, 3.0)
    watches.fed()
    assert (watches.waiting, watches.waited()) == (False, 0.0)
