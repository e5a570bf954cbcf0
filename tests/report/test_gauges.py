"""Gauges and their bounds, by hand."""

import pytest

from steelyard.core import SteelyardError
from steelyard.report.gauges import LOOK_BACK, SEVERAL, age_shares, ages_of, warnings

LOW = {"learner/ess": 0.05, "objective/ratio": 1.5}


def test_an_effective_sample_size_that_stays_low_says_what_to_change():
    (found,) = warnings([LOW] * SEVERAL)
    assert found.short.startswith("effective sample size 5.0%: lower --max-staleness")
    assert "the importance ratios rested on less than 10% of the batch" in str(found)
    high = LOW | {"learner/ess": 0.1}
    assert warnings([LOW] * (SEVERAL - 1)) == warnings([*[LOW] * SEVERAL, high]) == []
    assert warnings([high, *[LOW] * SEVERAL]) != []


def test_an_objective_without_ratios_is_not_warned_of_them():
    assert warnings([{"learner/ess": 0.01}] * SEVERAL) == []
    assert warnings([{"objective/ratio": 1.0}] * SEVERAL) == warnings([]) == []


def lengths(trained, sampled, steps=SEVERAL):
    return [{"batch/length_mean": trained, "search/length_mean": sampled}] * steps


def test_lengths_that_are_more_than_a_fifth_apart():
    """12 / 10 is a fifth and passes; 13 / 10 and 7 / 10 do not."""
    assert warnings(lengths(12.0, 10.0)) == warnings(lengths(8.0, 10.0)) == []
    for trained in (13.0, 7.0):
        (found,) = warnings(lengths(trained, 10.0))
        assert found.what == f"length {trained:.0f} learned, 10 sampled"
        assert "--replay.recent-probability" in found.change


def test_lengths_need_several_steps_and_old_ones_are_forgotten():
    assert warnings(lengths(20.0, 10.0, steps=SEVERAL - 1)) == []
    assert warnings([*lengths(20.0, 10.0), *lengths(10.0, 10.0, steps=LOOK_BACK)]) == []
    rare = [{"batch/length_mean": 20.0, "search/length_mean": None if i % 2 else 10.0} for i in range(2 * SEVERAL)]
    assert len(warnings(rare)) == 1


def test_shares_by_age_group_and_moment():
    """Of 8 draws of the first moment 4 are fresh, 2 are 1 behind, and 2 are 2 or 3 behind."""
    rows = [{"step": 1, "batch/staleness": {"0": 4, "1": 2, "2": 1, "3": 1}}, {"step": 2},
            {"step": 3, "batch/staleness": {"32": 3, "500": 1}}]  # fmt: skip
    found, names = age_shares(rows)
    assert names == ["0", "1", "2-3", "32 and more"]
    assert found == [{"step": 1, "ages": {"0": 0.5, "1": 0.25, "2-3": 0.25}}, {"step": 3, "ages": {"32 and more": 1.0}}]
    many, _ = age_shares([{"step": s, "batch/staleness": {"0": s % 2, "1": 1}} for s in range(1, 81)])
    assert len(many) == 40 and many[0] == {"step": 2, "ages": {"0": 1 / 3, "1": 2 / 3}}
    assert age_shares([]) == ([], [])


def test_ages_that_are_none_are_refused_in_one_line():
    with pytest.raises(SteelyardError, match="which is no count of ages"):
        ages_of({"batch/staleness": {"old": 1}})
