"""Where the seconds of a local run went: in all, and in waiting. Kept over resumes."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class _Spent:
    seconds: float = 0.0
    """Wall-clock before the present start."""
    learner_idle: float = 0.0
    searcher_idle: float = 0.0
    searcher_busy: float = 0.0
    evaluator_busy: float = 0.0


class Watches:
    """The stop-watches of one run, in wall-clock seconds."""

    def __init__(self) -> None:
        self._spent = _Spent()
        self._started: float | None = None
        self._finished: float | None = None
        self._waiting_since: float | None = None

    def start(self) -> None:
        """The first step may begin."""
        self._started = time.monotonic()

    def finish(self) -> None:
        """The last step is made."""
        self._finished = time.monotonic()

    def seconds(self) -> float:
        """Wall-clock of the run, from first to last step, without the time between a kill and the resume."""
        if self._started is None:
            return self._spent.seconds
        return self._spent.seconds + (self._finished or time.monotonic()) - self._started

    # The learner

    @property
    def waiting(self) -> bool:
        """True while the learner wants groups."""
        return self._waiting_since is not None

    def waited(self) -> float:
        """How long the learner has been waiting; 0 when it is not."""
        return 0.0 if self._waiting_since is None else time.monotonic() - self._waiting_since

    def stepped(self, idle: float) -> None:
        """The learner wants groups; it was idle for so long before its last step."""
        self._spent.learner_idle += idle
        self._waiting_since = time.monotonic()

    def fed(self) -> None:
        """The learner has what it wants."""
        self._waiting_since = None

    # The searchers

    def searched(self, busy: float, idle: float) -> None:
        """A searcher has done a batch."""
        self._spent.searcher_busy += busy
        self._spent.searcher_idle += idle

    # The evaluator

    def measured(self, busy: float) -> None:
        """The evaluator has measured some weights; what it does after the last step is in nobody's way."""
        if self._finished is None:
            self._spent.evaluator_busy += busy

    # What is told of it

    def shares(self) -> dict[str, float]:
        """The idle share of the learner's time and of the searchers', and the busy share of the evaluator's.

        The evaluator competes with the others for the cores.
        """
        seconds = self.seconds()
        searching = self._spent.searcher_busy + self._spent.searcher_idle
        return {
            "learner_idle": self._spent.learner_idle / seconds if seconds else 0.0,
            "searcher_idle": self._spent.searcher_idle / searching if searching else 0.0,
            "evaluator_busy": self._spent.evaluator_busy / seconds if seconds else 0.0,
        }

    def row(self, step: int, trajectories: int) -> dict[str, Any]:
        """A row of timing.jsonl."""
        seconds = self.seconds()
        rates = {"steps_per_s": step / seconds, "completions_per_s": trajectories / seconds}
        return {"step": step, "seconds": seconds, **self.shares(), **rates}

    def result(self) -> dict[str, float]:
        """What the summary says of time."""
        return {**self.shares(), "seconds": self.seconds()}

    def state(self) -> dict[str, float]:
        """All that a resume needs."""
        return {**asdict(self._spent), "seconds": self.seconds()}

    def restore(self, state: Mapping[str, float]) -> None:
        """Go on from a `state`."""
        self._spent = _Spent(**state)
