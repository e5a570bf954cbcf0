"""How usable the data are that a run learns from, and what to change where they are beyond a bound.

    effective sample size   `learner/ess`, below `LEAST_ESS` in each of the last `SEVERAL` steps
    length                  | mean learned from / mean sampled - 1 | > `MOST_APART`, over the last `LOOK_BACK` steps
    age                     share of what the learner drew, by versions behind it

Pure functions over rows of metrics.jsonl. The effective sample size is a warning only where the objective reports its
importance ratios: others, such as trajectory balance, do not weigh by them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from steelyard.core import SteelyardError
from steelyard.core.json import JsonObject
from steelyard.report.format import is_number, number, percent
from steelyard.report.records import Row

LEAST_ESS = 0.1
"""Share of the batch."""
SEVERAL = 5
"""Steps in a row."""
MOST_APART = 0.2
"""Of the length sampled."""
LOOK_BACK = 20
"""Steps over which lengths are averaged; the rows that `warnings` looks at."""
_RATIOS = ("objective/ratio", "objective/m2")
"""What objectives report that weigh by importance ratios: their mean, or the second moment of their logarithms."""
_MOMENTS = 40
_OLDEST = 6
"""Bit length of the ages that share the last group: 32 versions and more."""


@dataclass(frozen=True)
class Warned:
    """A gauge that is beyond its bound."""

    what: str
    why: str
    change: str
    """Which setting to change."""

    @property
    def short(self) -> str:
        """For one line of a terminal."""
        return f"{self.what}: {self.change}"

    def __str__(self) -> str:
        return f"{self.what}: {self.why}. To change it, {self.change}."


def warnings(rows: Sequence[Row]) -> list[Warned]:
    """What is beyond its bound in the last of these rows."""
    last = rows[-LOOK_BACK:]
    return [found for found in (_few_samples(last[-SEVERAL:]), _other_lengths(last)) if found is not None]


def _few_samples(rows: Sequence[Row]) -> Warned | None:
    weighed = [row for row in rows if any(key in row for key in _RATIOS)]
    shares = [row["learner/ess"] for row in weighed if is_number(row.get("learner/ess"))]
    if len(shares) < SEVERAL or max(shares) >= LEAST_ESS:
        return None
    return Warned(
        f"effective sample size {percent(shares[-1])}",
        f"in the last {SEVERAL} steps the importance ratios rested on less than {LEAST_ESS:.0%} of the batch",
        "lower --max-staleness or --learning-rate, or choose an objective without ratios, such as vargrad-tb",
    )


def _other_lengths(rows: Sequence[Row]) -> Warned | None:
    learned, sampled = (
        [row[key] for row in rows if is_number(row.get(key))] for key in ("batch/length_mean", "search/length_mean")
    )
    if min(len(learned), len(sampled)) < SEVERAL:
        return None
    trained, written = sum(learned) / len(learned), sum(sampled) / len(sampled)
    if abs(trained - written) <= MOST_APART * written:
        return None
    return Warned(
        f"length {number(trained)} learned, {number(written)} sampled",
        f"over the last {len(rows)} steps completions were of other lengths (tokens) than the policy now writes",
        "lower --max-staleness, or, with a replay buffer, raise --replay.recent-probability",
    )


def ages_of(row: Row) -> dict[int, int]:
    """How often the learner drew data of each age (versions behind it) in a step.

    Raises:
        SteelyardError: the row has something else in their place.
    """
    found = row.get("batch/staleness") or {}
    try:
        return msgspec.convert(found, dict[int, int], strict=False)
    except msgspec.ValidationError as error:
        what = f"batch/staleness is {found!r}, which is no count of ages"
        hint = "restore the file that the run wrote"
        raise SteelyardError(what, where="metrics.jsonl", hint=hint) from error


def age_shares(rows: Sequence[Row]) -> tuple[list[JsonObject], list[str]]:
    """Shares of what the learner drew, by age, at up to `_MOMENTS` moments: rows with `step` and `ages` (name ->
    share), and the names, from the youngest. Ages double from one group to the next: 0, 1, 2-3, 4-7, ...

    Raises:
        SteelyardError: as `ages_of`.
    """
    size = max(1, -(-len(rows) // _MOMENTS))
    found: list[JsonObject] = []
    seen: set[int] = set()
    for begin in range(0, len(rows), size):
        part = rows[begin : begin + size]
        counts: Counter[int] = Counter()
        for age, count in (pair for row in part for pair in ages_of(row).items()):
            counts[min(max(0, age).bit_length(), _OLDEST)] += count
        if counts.total():
            seen.update(counts)
            shares = {_name(group): count / counts.total() for group, count in counts.items()}
            found.append({"step": part[-1].get("step"), "ages": shares})
    return found, [_name(group) for group in sorted(seen)]


def _name(group: int) -> str:
    low, high = (1 << group) >> 1, (1 << group) - 1
    if group == _OLDEST:
        return f"{low} and more"
    return str(low) if low >= high else f"{low}-{high}"
