"""Dates and times of day, read as such: 3:30 PM is 15:30, and 5 March 2024 is 2024-03-05.

A date in figures alone is read only with the year first; 3/5/2024 means two days, and is compared as text.
"""

import datetime
import re

from steelyard.reward.latex import plain

_MONTHS = re.findall(r"\w+", "january february march april may june july august september october november december")
_MONTH = r"(?P<month>[A-Za-z]{3,9})\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>\d{4})"
_TIME = re.compile(
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2}))?)?\s*(?P<half>[ap]\.?\s?m\.?)?",
    re.IGNORECASE | re.ASCII,
)
_WEEKDAY = re.compile(
    r"^(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?:mon|tue|wed|thu|fri|sat|sun)\.?),?\s+", re.IGNORECASE
)
_DAYTIME = re.compile(r"(?:\s+o'clock)?\s+in the (morning|afternoon|evening)$", re.IGNORECASE)
_NOON = datetime.time(12)
_MIDNIGHT = datetime.time(0)
_NAMED = {"noon": _NOON, "12 noon": _NOON, "midnight": _MIDNIGHT, "12 midnight": _MIDNIGHT}
_DATES = [
    re.compile(form, re.IGNORECASE | re.ASCII)
    for form in (
        rf"{_YEAR}[-/.](?P<number>\d{{1,2}})[-/.](?P<day>\d{{1,2}})",
        rf"{_MONTH}\s+{_DAY}(?:,?\s+{_YEAR})?",
        rf"{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?",
    )
]

Moment = datetime.time | tuple[int | None, int, int]
"""A time of day, or a date as (year or None, month, day)."""


def read_moment(text: str) -> Moment | None:
    """The time or date that the whole text is, or None."""
    text = plain(text[:100]).strip().rstrip(".").strip(" ()[]\"'") if len(text) <= 100 else ""
    text = re.sub(r"^(?:at|on)\s+", "", text, flags=re.IGNORECASE)
    text = _DAYTIME.sub(_with_half, text)
    return _NAMED.get(text.lower()) or _time(text) or _date(_WEEKDAY.sub("", text))


def _with_half(found: re.Match[str]) -> str:
    return " am" if found[1].lower() == "morning" else " pm"


def _time(text: str) -> datetime.time | None:
    match = _TIME.fullmatch(text)
    if match is None or (match["minute"] is None and match["half"] is None):
        return None
    hour = int(match["hour"])
    if match["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match["half"][0].lower() == "p" else 0)
    minute = int(match["minute"] or 0)
    second = int(match["second"] or 0)
    return datetime.time(hour, minute, second) if hour < 24 and minute < 60 and second < 60 else None


def _date(text: str) -> tuple[int | None, int, int] | None:
    for form in _DATES:
        match = form.fullmatch(text)
        if match is None:
            continue
        parts = match.groupdict()
        month = int(parts["number"]) if parts.get("number") else _month(parts["month"])
        day = int(parts["day"])
        if 1 <= month <= 12 and 1 <= day <= 31:
            return (int(parts["year"]) if parts["year"] else None), month, day
    return None


def _month(name: str) -> int:
    short = name.lower()
    known = [
        at for at, month in enumerate(_MONTHS, start=1) if month == short or month[:3] == short or short == month[:4]
    ]
    return known[0] if known else 0
