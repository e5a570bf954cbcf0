"""How long the coordinator has waited, and what of that time counts for no deadline.

Two waits have a deadline: that of the learner for groups, and that for anything that moves the run on. Time that a
searcher spends on a reward with a deadline of its own is excused from both.
"""

from dataclasses import dataclass


@dataclass
class Patience:
    """Both waits, in seconds of the driver's clock."""

    moved: float = 0.0
    """When something last moved the run on: a step, an evaluation, a saved file."""
    waiting_since: float | None = None
    """When the learner began to wait for groups; None while it has some."""
    _grace: float = 0.0
    """Seconds of the learner's wait that are excused."""
    _told: float = 0.0
    """Until when such time is counted already."""

    def wait(self, now: float) -> None:
        """The learner made a step and begins to wait."""
        self.moved = now
        self.waiting_since = now
        self._grace = 0.0

    def excuse(self, now: float, seconds: float) -> None:
        """The last so many seconds count for no deadline, as far as they are not excused already."""
        excused = max(0.0, now - max(now - seconds, self._told))
        self._told = now
        self.moved = min(now, self.moved + excused)
        if self.waiting_since is not None:
            self._grace = min(now - self.waiting_since, self._grace + excused)

    def allowed(self, deadline: float) -> float:
        """How long the learner may wait in all: the deadline, and what is excused."""
        return deadline + self._grace
