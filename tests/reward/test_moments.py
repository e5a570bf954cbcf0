"""Dates and times of day."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.reward.moments import read_moment


@pytest.mark.parametrize("text", ["3:30 PM", "15:30", "3:30pm", "3:30 p.m.", "03:30 PM", "15:30:00", "at 3:30 PM"])
def test_half_past_three(text):
    assert read_moment(text) == datetime.time(15, 30)


@pytest.mark.parametrize(
    "text", ["2024-03-05", "2024/3/5", "March 5, 2024", "5 March 2024", "Mar 5th, 2024", "Tuesday, March 5, 2024"]
)
def test_the_fifth_of_march(text):
    assert read_moment(text) == (2024, 3, 5)


@pytest.mark.parametrize(
    "text", ["3", "2024", "3:2", "25:00", "3:75", "13 PM", "3/5/2024", "5 men", "May", "March 45", "2:1", "", "x" * 200]
)
def test_neither(text):
    assert read_moment(text) is None


def test_midnight_and_noon():
    assert read_moment("12 AM") == datetime.time(0, 0)
    assert read_moment("12:00 PM") == datetime.time(12, 0)


@given(st.times())
def test_every_time_is_read_in_both_ways(time):
    whole = time.replace(second=0, microsecond=0)
    assert read_moment(whole.strftime("%H:%M")) == whole
    assert read_moment(whole.strftime("%I:%M %p")) == whole


@given(st.dates(min_value=datetime.date(1000, 1, 1)))
def test_every_date_is_read_in_all_ways(date):
    wanted = (date.year, date.month, date.day)
    for form in ("%Y-%m-%d", "%B %d, %Y", "%d %b %Y", "%d of %B %Y"):
        assert read_moment(date.strftime(form)) == wanted
