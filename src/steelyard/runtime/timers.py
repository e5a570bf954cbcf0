"""Timers: the total, busy and idle seconds of a run, kept across resumes. The caller passes the time."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass
class _Spent:
    seconds: float = 0.0
    """Of the run before the present start."""
    learner_idle: float = 0.0
    searcher_idle: float = 0.0
    searcher_busy: float = 0.0
    evaluator_busy: float = 0.0


class Timers:
    """The timers of one run, in seconds of the caller's clock."""

    def __init__(self) -> None:
        self._spent = _Spent()
        self._started: float | None = None
        self._finished: float | None = None

    def start(self, now: float) -> None:
        """The first step may begin."""
        self._started = now

    def finish(self, now: float) -> None:
        """The last step is made."""
        self._finished = now

    def seconds(self, now: float) -> float:
        """Time of the run, from first to last step, without the time between a kill and the resume."""
        if self._started is None:
            return self._spent.seconds
        return self._spent.seconds + (now if self._finished is None else self._finished) - self._started

    def stepped(self, idle: float) -> None:
        """The learner has made a step, before which it waited for so long."""
        self._spent.learner_idle += idle

    def searched(self, busy: float, idle: float) -> None:
        """A searcher has done a batch."""
        self._spent.searcher_busy += busy
        self._spent.searcher_idle += idle

    def evaluated(self, busy: float) -> None:
        """The evaluator has measured some weights. What it does after the last step delays nobody."""
        if self._finished is None:
            self._spent.evaluator_busy += busy

    def shares(self, now: float) -> dict[str, float]:
        """The idle share of the learner's time and of the searchers', and the busy share of the evaluator's.

        The evaluator competes with the others for the cores.
        """
        seconds = self.seconds(now)
        searching = self._spent.searcher_busy + self._spent.searcher_idle
        return {
            "learner_idle": self._spent.learner_idle / seconds if seconds else 0.0,
            "searcher_idle": self._spent.searcher_idle / searching if searching else 0.0,
            "evaluator_busy": self._spent.evaluator_busy / seconds if seconds else 0.0,
        }

    def row(self, now: float, step: int, trajectories: int) -> dict[str, object]:
        """A row of timing.jsonl."""
        seconds = self.seconds(now)
        rates = {
            "steps_per_s": step / seconds if seconds else 0.0,
            "completions_per_s": trajectories / seconds if seconds else 0.0,
        }
        return {"step": step, "seconds": seconds, **self.shares(now), **rates}

    def result(self, now: float) -> dict[str, float]:
        """What the summary says of time."""
        return {**self.shares(now), "seconds": self.seconds(now)}

    def state(self, now: float) -> dict[str, float]:
        """All that a resume needs."""
        return {**asdict(self._spent), "seconds": self.seconds(now)}

    def restore(self, state: Mapping[str, float]) -> None:
        """Go on from a `state`."""
        self._spent = _Spent(**state)
