"""Numbers of the last half minute, by hand."""

import pytest

from steelyard.report.run_pace import WINDOW, RunPace


def fed(*rows):
    """(seconds, timing row, metrics row) in order."""
    kept = RunPace()
    for now, timing, metrics in rows:
        kept.take("timing", timing, now)
        kept.take("metrics", metrics, now)
    return kept.pace()


def timing(seconds, learner, searcher):
    return {"seconds": seconds, "learner_idle": learner, "searcher_idle": searcher}


def metrics(step, admitted):
    return {"step": step, "batch/length_mean": 5.0, "batch/trajectories": 8, "search/length_mean": 3.0,
            "replay/admitted": admitted, "replay/refused": 2.0, "replay/unknown_version": 0.0}  # fmt: skip


def test_rates_and_shares_of_the_window_by_hand():
    found = fed(
        (0.0, timing(100.0, 0.1, 0.5), metrics(10, 50)),
        (4.0, timing(104.0, 0.12, 0.5), metrics(12, 90)),
        (8.0, timing(108.0, 0.15, 0.5), metrics(14, 130)),
    )
    assert found.steps_per_s == 4 / 8
    assert found.learner_tokens_per_s == 2 * 5 * 8 / 8  # rows of step 12 and 14; that of step 10 was before
    assert found.searcher_tokens_per_s == 80 * 3 / 8
    assert found.completions_per_s == 80 / 8
    assert found.learner_idle == pytest.approx((0.15 * 108 - 0.1 * 100) / 8)
    assert found.searcher_idle == pytest.approx(0.5)
    assert found.bottleneck == "searchers"
    assert found.seconds_left(14, 20) == 12.0


def test_what_is_older_than_the_window_counts_for_nothing():
    slow = [(float(t), timing(float(t), 1.0, 0.0), metrics(0, 0)) for t in range(60)]
    fast = [(60.0 + t, timing(60.0 + t, 60 / (60.0 + t), 0.0), metrics(t, 0)) for t in range(int(WINDOW) + 1)]
    found = fed(*slow, *fast)
    assert found.steps_per_s == pytest.approx(1.0)
    assert found.learner_idle == pytest.approx(0.0, abs=1e-9)
    assert found.bottleneck is None


def test_nothing_is_said_too_early_or_of_what_nobody_measured():
    assert RunPace().pace() is None
    assert fed((0.0, timing(0.0, 0.0, 0.0), metrics(1, 0)), (1.0, timing(1.0, 0.0, 0.0), metrics(2, 0))) is None
    kept = RunPace()
    kept.take("metrics", {"step": 1, "learner/loss": 1.0}, 0.0)
    kept.take("metrics", {"step": 1, "learner/loss": 1.0}, 5.0)
    found = kept.pace()
    assert (found.learner_tokens_per_s, found.searcher_tokens_per_s, found.learner_idle) == (None, None, None)
    assert found.bottleneck is None
    assert found.seconds_left(1, 9) is None  # it stands still


def test_the_driver_is_the_bottleneck_where_it_has_no_time_left():
    flow = {"samples_under_way": 512.0, "samples_per_s": 102.4, "sample_seconds": 5.0}
    busy, free = ({"driver_busy": share} | flow for share in (0.9, 0.5))
    rows = [(0.0, timing(100.0, 0.2, 0.5), metrics(10, 50)), (4.0, timing(104.0, 0.21, 0.5), metrics(12, 90))]
    found, calm = (fed(*((now, row | more, step) for now, row, step in rows)) for more in (busy, free))
    assert (found.bottleneck, calm.bottleneck) == ("driver", "learner")
    assert found.flow == "512 samples ≈ 102.4 a second x 5 s"


def test_a_driver_that_is_busy_while_nobody_waits_holds_nobody_up():
    rows = [(0.0, timing(100.0, 0.0, 0.0), metrics(10, 50)), (4.0, timing(104.0, 0.0, 0.0), metrics(12, 90))]
    assert fed(*((now, row | {"driver_busy": 1.0}, step) for now, row, step in rows)).bottleneck is None
