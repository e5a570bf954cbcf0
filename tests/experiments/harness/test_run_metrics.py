import math
from pathlib import Path

import pytest

from experiments.fabricated import curve, fabricate
from steelyard.experiments.harness.run_metrics import (
    RunMetric,
    average,
    final,
    late,
    lowest,
    series,
    steps_to,
    summed_up,
)
from steelyard.report import read_run


@pytest.fixture
def run(tmp_path: Path):
    return read_run(fabricate(tmp_path / "run", curve(0.1, 0.5, 0.95, 0.7, 0.8, 0.9, 0.8)))


def test_numbers_of_a_run_by_hand(run):
    """Evaluations at steps 0, 10, ..., 60: the last third are those of steps 50 and 60."""
    assert final("eval/accuracy")(run) == 0.8
    assert lowest("eval/accuracy")(run) == 0.1
    assert average("eval/accuracy")(run) == pytest.approx((0.5 + 0.95 + 0.7 + 0.8 + 0.9 + 0.8) / 6)
    assert late("eval/accuracy")(run) == pytest.approx(0.85)
    assert late("eval/accuracy", min)(run) == 0.8
    assert steps_to("eval/accuracy", 0.9)(run) == 20
    assert summed_up("staleness_mean")(run) == 2.5


def test_what_was_never_reached_or_measured(run, tmp_path):
    assert steps_to("eval/accuracy", 0.99)(run) == math.inf
    assert math.isnan(summed_up("nothing")(run))
    gap = read_run(fabricate(tmp_path / "gap", [{"step": 0, "x": None}, {"step": 1, "x": 2}]))
    assert math.isnan(series(gap, "x")[0])
    assert steps_to("x", 1.0)(gap) == 1


def test_several_runs_in_a_cell():
    accuracy, steps = RunMetric(final("x")), RunMetric(final("x"), 0)
    assert accuracy.write([0.5, 0.25, 1.0]) == "0.500 [0.250, 1.000]"
    assert accuracy.write([0.5, 0.5004]) == "0.500"  # alike as written
    assert steps.write([30.0, math.inf, 40.0]) == "40 [30, never]"
    assert steps.write([math.inf] * 3) == "never"
    assert accuracy.write([math.nan]) == "–"


def test_over_reads_and_writes(run):
    assert RunMetric(final("eval/accuracy"), 1).over([run, run]) == "0.8"
