"""How fast each side of a run goes, when it will end, and who waits for whom: over the last rows of a run.

    tokens/s, learner     sum of tokens in the batches of the window's steps / seconds of the window
    tokens/s, searchers   sum of (trajectories that came) * (their mean length) / seconds of the window
    idle, of a side       (share * seconds at the end - share * seconds at the begin) / seconds of the window

The shares in timing.jsonl are those of the whole run so far; their products with its seconds are the seconds waited.
Trajectories that came are those that replay admitted, refused, or did not know the weights of.
"""

from collections import deque
from dataclasses import dataclass

from steelyard.core.json import JsonMapping
from steelyard.report.format import is_number, number
from steelyard.report.waits import Bottleneck, bottleneck_of

WINDOW = 30.0
"""Seconds that the numbers of a run that goes on look back."""
LEAST = 2.0
"""Seconds below which nothing is said: one batch more or less would change it."""
_CAME = ("replay/admitted", "replay/refused", "replay/unknown_version")


@dataclass(frozen=True)
class _Moment:
    """Sums since the first row, at one learner step."""

    at: float
    step: int
    learned: float
    """Tokens in the learner's batches."""
    found: float
    """Tokens that searchers drew."""
    came: float
    """Trajectories that searchers drew."""
    seconds: float
    """Of the run, as its timing says."""
    learner_idle: float
    """Seconds."""
    searcher_idle: float
    """Seconds of one searcher."""


@dataclass(frozen=True)
class Pace:
    """What the window says. Numbers that the run does not record are None."""

    steps_per_s: float
    learner_tokens_per_s: float | None
    searcher_tokens_per_s: float | None
    completions_per_s: float | None
    learner_idle: float | None
    searcher_idle: float | None
    driver_busy: float = 0.0
    """Share of a core."""
    flow: str = ""
    """Little's law: samples under way ≈ samples a second x seconds of each; empty where nobody measured it."""

    @property
    def bottleneck(self) -> Bottleneck | None:
        """Who the others wait for; None where neither side waits for long, or nobody measured it."""
        if self.learner_idle is None or self.searcher_idle is None:
            return None
        return bottleneck_of(self.learner_idle, self.searcher_idle, self.driver_busy)

    def seconds_left(self, step: int, steps: int) -> float | None:
        """Seconds to the last step, at the window's speed; None where it stands still."""
        return (steps - step) / self.steps_per_s if self.steps_per_s > 0 else None


class RunPace:
    """Keeps the moments of the window.

    Args:
        window: seconds that the numbers look back.
    """

    def __init__(self, window: float = WINDOW) -> None:
        self._window = window
        self._moments: deque[_Moment] = deque()
        self._timing: JsonMapping = {}
        self._came: float | None = None
        self._knows_tokens = self._knows_found = False

    def take(self, file: str, row: JsonMapping, now: float) -> None:
        """Take a row of timing or of metrics into account; `now` is the time in seconds."""
        if file == "timing":
            self._timing = row
        if file != "metrics" or not is_number(row.get("step")):
            return
        self._moments.append(self._moment(row, now))
        while len(self._moments) > 2 and self._moments[1].at <= now - self._window:
            self._moments.popleft()

    def begin_anew(self) -> None:
        """Begin another window at the latest moment."""
        while len(self._moments) > 1:
            self._moments.popleft()

    def _moment(self, row: JsonMapping, now: float) -> _Moment:
        came = sum(_number(row, key) for key in _CAME)
        new = 0.0 if self._came is None else came - self._came
        self._came = came
        self._knows_tokens = "batch/length_mean" in row
        self._knows_found = "replay/admitted" in row
        before = self._moments[-1] if self._moments else None
        seconds = _number(self._timing, "seconds")
        learned = _number(row, "batch/length_mean") * _number(row, "batch/trajectories")
        return _Moment(
            at=now,
            step=row["step"],
            learned=learned + (before.learned if before else 0.0),
            found=new * _number(row, "search/length_mean") + (before.found if before else 0.0),
            came=new + (before.came if before else 0.0),
            seconds=seconds,
            learner_idle=_number(self._timing, "learner_idle") * seconds,
            searcher_idle=_number(self._timing, "searcher_idle") * seconds,
        )

    def pace(self) -> Pace | None:
        """What the window says; None while it is shorter than `LEAST`."""
        if not self._moments or (passed := self._moments[-1].at - self._moments[0].at) < LEAST:
            return None
        first, last = self._moments[0], self._moments[-1]
        timed = last.seconds - first.seconds
        return Pace(
            steps_per_s=(last.step - first.step) / passed,
            learner_tokens_per_s=(last.learned - first.learned) / passed if self._knows_tokens else None,
            searcher_tokens_per_s=(last.found - first.found) / passed if self._knows_found else None,
            completions_per_s=(last.came - first.came) / passed if self._knows_found else None,
            learner_idle=_share(last.learner_idle - first.learner_idle, timed),
            searcher_idle=_share(last.searcher_idle - first.searcher_idle, timed),
            driver_busy=_number(self._timing, "driver_busy"),
            flow=_flow(self._timing),
        )


def _flow(row: JsonMapping) -> str:
    shown = [row.get(key) for key in ("samples_under_way", "samples_per_s", "sample_seconds")]
    if not all(map(is_number, shown)):
        return ""
    under_way, per_s, seconds = map(number, shown)
    return f"{under_way} samples ≈ {per_s} a second x {seconds} s"


def _share(idle: float, seconds: float) -> float | None:
    return min(1.0, max(0.0, idle / seconds)) if seconds > 0 else None


def _number(row: JsonMapping, key: str) -> float:
    value = row.get(key)
    return float(value) if is_number(value) else 0.0
