"""Windows of a run, by hand."""

from pathlib import Path

import pytest

from steelyard.report.pace_curve import pace_rows
from steelyard.report.pace_section import _who_waits, idle, speed
from steelyard.report.records import RunRecords


def timing(seconds):
    """The learner waits from second 2 on, searchers half of the time."""
    learner = max(0, seconds - 2) / seconds if seconds else 0.0
    return {"step": seconds + 1, "seconds": float(seconds), "learner_idle": learner, "searcher_idle": 0.5}


def metrics(step):
    return {"step": step, "batch/length_mean": 5.0, "batch/trajectories": 8, "search/length_mean": 3.0,
            "replay/admitted": 10 * step}  # fmt: skip


TIMING = [timing(s) for s in range(6)]
METRICS = [metrics(s) for s in range(1, 7)]


def records(metrics, timing):
    return RunRecords(Path("run"), {}, metrics, timing, [], [], [], [], None, None, [])


def test_two_windows_of_two_seconds_and_a_rest_that_is_too_short():
    """In each window two batches of 8 x 5 tokens, and 20 completions of 3 tokens."""
    found = pace_rows(METRICS, TIMING)
    assert [(row["seconds"], row["window"]) for row in found] == [(2.0, 2.0), (4.0, 2.0)]
    assert [row["learner_tokens_per_s"] for row in found] == [40.0, 40.0]
    assert [row["searcher_tokens_per_s"] for row in found] == [30.0, 30.0]
    assert [row["completions_per_s"] for row in found] == [10.0, 10.0]
    assert [row["learner_idle"] for row in found] == pytest.approx([0.0, 1.0])
    assert [row["searcher_idle"] for row in found] == pytest.approx([0.5, 0.5])
    assert [row["waits_for"] for row in found] == ["learner", "searchers"]


def test_rows_of_metrics_count_at_the_next_row_of_timing():
    """Timing is written at steps 1, 3, 5 alone: all four batches of the four seconds are counted still."""
    (found,) = pace_rows(METRICS, [TIMING[0], TIMING[4]])
    assert (found["window"], found["learner_tokens_per_s"]) == (4.0, 4 * 40 / 4)


def test_without_one_of_the_files_there_are_no_windows():
    assert pace_rows([], TIMING) == pace_rows(METRICS, []) == []
    assert idle(records([], [])) is speed(records([], [])) is None
    assert [figure.plot.name for figure in idle(records([], TIMING)).figures] == ["waiting"]


def test_both_sections_say_what_windows_tell():
    run = records(METRICS, TIMING)
    now, so_far = idle(run).figures
    assert now.caption == (
        "Share of each window of 2 s spent waiting. Of 2 windows: in 1 searchers wait for the learner, in 1 the "
        "learner waits for searchers."
    )
    assert so_far.caption.endswith("searchers are the bottleneck, and more of them would help.")
    tokens, came = speed(run).figures
    assert [s.label for s in tokens.plot.series] == ["sampled by searchers", "learned from"]
    assert tokens.plot.series[1].ys().tolist() == [40.0, 40.0] and "2 s" in tokens.caption
    assert came.plot.series[0].label == "in each window"


@pytest.mark.parametrize(
    ("learner", "searchers", "driver", "words"),
    [
        (0.4, 0.1, 0.0, "The learner waits for trajectories"),
        (0.1, 0.4, 0.0, "Searchers wait for the learner"),
        (0.1, 0.4, 0.9, "Both wait for the driver"),
        (0.05, 0.09, 0.99, "Neither waits for long."),
        (None, None, None, "Neither waits for long."),
    ],
)
def test_the_words_of_who_waits(learner, searchers, driver, words):
    row = {"learner_idle": learner, "searcher_idle": searchers, "driver_busy": driver}
    assert _who_waits(row).startswith(words)
