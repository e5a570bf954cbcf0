"""The plot in characters."""

import pytest

from steelyard.core import SteelyardError
from steelyard.report import curve_text

ROWS = [
    {"step": 0, "eval/accuracy": 0.0, "eval/accuracy_low": 0.0, "eval/accuracy_high": 0.2},
    {"step": 10, "eval/accuracy": 0.4, "eval/accuracy_low": 0.3, "eval/accuracy_high": 0.6},
    {"step": 20, "eval/accuracy": 1.0},
]


def test_a_small_plot_by_hand():
    assert curve_text(ROWS, width=11, height=6).splitlines() == [
        " held-out accuracy",
        "  100.0% ┤          ●",
        "         │",
        "   50.0% ┤     │",
        "         │     ●",
        "         ││    │",
        "    0.0% ┤●",
        "         └───────────",
        "          0        20  step",
        " 0.0% at step 0 -> 100.0% at step 20",
    ]


def test_the_interval_of_the_last_row_is_said():
    assert curve_text(ROWS[:2]).splitlines()[-1].endswith("40.0% at step 10 (95% interval 30.0% to 60.0%)")


def test_total_variation_where_there_is_one():
    text = curve_text([{"step": s, "eval/accuracy": 0.0, "eval/total_variation": 0.5 / (1 + s)} for s in range(5)])
    assert "total variation" in text and "0.5 at step 0 -> 0.1 at step 4" in text


def test_one_row_and_none():
    one = curve_text([{"step": 3, "eval/accuracy": 0.25, "eval/accuracy_low": None, "eval/accuracy_high": None}])
    assert one.count("●") == 1
    assert "nothing was measured" in curve_text([])
    assert "nothing was measured" in curve_text([{"step": 0, "eval/accuracy": None}])


@pytest.mark.parametrize("steps", [(0, 10**70), (0, -5), (7, 3, 5), (0, 1e300)])
def test_steps_that_no_run_makes(steps):
    text = curve_text([{"step": step, "eval/accuracy": 0.5} for step in steps])
    assert text.count("●") >= 2 and f"at step {steps[-1]}" in text


def test_a_run_directory_will_do(make_run, tmp_path):
    text = curve_text(make_run(40))
    assert text.count("●") == 9 and "at step 40" in text
    with pytest.raises(SteelyardError):
        curve_text(tmp_path / "missing")
