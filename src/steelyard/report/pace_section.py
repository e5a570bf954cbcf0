"""Who waited for whom, and how fast each side went: over windows of the run, and over all of it so far."""

from collections.abc import Sequence

from steelyard.report.blocks import Section, figure, half, wide
from steelyard.report.format import duration, is_number, number, percent
from steelyard.report.pace_curve import pace_rows
from steelyard.report.plots import LEARNER, OTHER, SEARCHER, Series, lines
from steelyard.report.records import Row, RunRecords
from steelyard.report.waits import WORDS, bottleneck_of, told_of_windows


def idle(run: RunRecords) -> Section | None:
    """Who waited for whom."""
    windows = pace_rows(run.metrics, run.timing)
    found = {"y": "share of the time", "x": "seconds", "share": True}
    now = lines("waiting-now", "Share of each window spent waiting.", _sides(windows, busy=True), **found)
    plot = lines("waiting", "Share of the time so far spent waiting.", _sides(run.timing), **found)
    last = run.timing[-1] if run.timing else {}
    text = f"At the end: learner {percent(last.get('learner_idle'))}, searchers {percent(last.get('searcher_idle'))}."
    so_far = figure(plot, f"Share of the time so far spent waiting. {text} {_who_waits(last)}")
    if now is None:
        return half("idle", "Idle time", so_far)
    told = told_of_windows(row["waits_for"] for row in windows)
    here = figure(now, f"Share of each window of {_length(windows)} spent waiting. {told}")
    return wide("idle", "Idle time", [here, so_far])


def _sides(rows: Sequence[Row], *, busy: bool = False) -> list[Series]:
    """Both sides' idle time; with `busy`, the share of a core that the driver takes, where that is known."""
    driver = [row for row in rows if row.get("driver_busy")] if busy else []
    return [
        Series(rows, "learner_idle", "learner", LEARNER, x="seconds"),
        Series(rows, "searcher_idle", "searchers", SEARCHER, "--", x="seconds"),
        Series(driver, "driver_busy", "driver, busy", OTHER, ":", x="seconds"),
    ]


def _who_waits(last: Row) -> str:
    """Who waits for whom, and what would change it."""
    keys = ("learner_idle", "searcher_idle", "driver_busy")
    shares = [found if is_number(found := last.get(key)) else 0.0 for key in keys]
    return WORDS[bottleneck_of(*shares)]


def speed(run: RunRecords) -> Section | None:
    """How fast tokens and completions came."""
    windows = pace_rows(run.metrics, run.timing)
    sides = [
        Series(windows, "searcher_tokens_per_s", "sampled by searchers", SEARCHER, "--", x="seconds"),
        Series(windows, "learner_tokens_per_s", "learned from", LEARNER, x="seconds"),
    ]
    tokens = lines("tokens", "Tokens per second of each side over time.", sides, y="tokens per second", x="seconds")
    series = [
        Series(windows, "completions_per_s", "in each window", SEARCHER, x="seconds"),
        Series(run.timing, "completions_per_s", "mean since the start", OTHER, "--", x="seconds"),
    ]
    plot = lines("speed", "Completions per second over time.", series, y="completions per second", x="seconds")
    last = run.timing[-1] if run.timing else {}
    rates = f"{number(last.get('completions_per_s'))} completions and {number(last.get('steps_per_s'))} learner steps"
    came = figure(plot, f"Mean since the start, at the end: {rates} a second.")
    if tokens is None:
        return half("throughput", "Throughput", came)
    text = f"In each window of {_length(windows)}: of completions that came, and of the learner's batches."
    return wide("throughput", "Throughput", [figure(tokens, text), came])


def _length(windows: Sequence[Row]) -> str:
    return duration(sum(row["window"] for row in windows) / len(windows))
