"""Timers on a clock that is set by hand."""

from steelyard.runtime.timers import Timers


def test_shares_are_of_the_time_from_first_to_last_step() -> None:
    timers = Timers()
    timers.start(105.0)
    timers.stepped(2.0)
    timers.searched(busy=9.0, idle=1.0)
    timers.evaluated(5.0)
    assert timers.row(115.0, 4, 20) == {
        "step": 4, "seconds": 10.0, "steps_per_s": 0.4, "completions_per_s": 2.0,
        "learner_idle": 0.2, "searcher_idle": 0.1, "evaluator_busy": 0.5,
    }  # fmt: skip
    timers.finish(115.0)
    timers.evaluated(6.0)  # of the last weights
    expected = {"seconds": 10.0, "learner_idle": 0.2, "searcher_idle": 0.1, "evaluator_busy": 0.5}
    assert timers.result(122.0) == expected


def test_a_resumed_run_goes_on_counting() -> None:
    first = Timers()
    first.start(100.0)
    first.stepped(1.0)
    first.evaluated(2.0)
    state = first.state(104.0)
    second = Timers()
    second.restore({name: value for name, value in state.items() if name != "evaluator_busy"})  # of an older checkpoint
    assert second.result(3.0) == {"seconds": 4.0, "learner_idle": 0.25, "searcher_idle": 0.0, "evaluator_busy": 0.0}
    second.restore(state)
    second.start(7.0)
    second.stepped(1.0)
    assert second.result(11.0) == {"seconds": 8.0, "learner_idle": 0.25, "searcher_idle": 0.0, "evaluator_busy": 0.25}


def test_a_run_that_has_not_begun_has_taken_no_time() -> None:
    assert Timers().result(50.0) == dict.fromkeys(("learner_idle", "searcher_idle", "evaluator_busy", "seconds"), 0.0)
    assert Timers().row(50.0, 0, 0)["steps_per_s"] == 0.0
