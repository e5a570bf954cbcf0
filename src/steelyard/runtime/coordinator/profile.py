"""What the coordinator has to know of the runtime that drives it."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """The properties of a runtime. All times are seconds of the driver's clock."""

    virtual: bool = False
    """A simulation on a virtual clock. Rows hold its time and no wall-clock time. A checkpoint holds the work in flight
    and a resume repeats the run exactly; otherwise work in flight is handed out again and later data is kept."""
    synchronous: bool = False
    """The learner makes one step for each delivery, in place of as many as replay has data for."""
    late_searchers: bool = False
    """The run may begin with some of its searchers; the others join it as they come."""
    batches_ahead: int = 1
    """Batches that a searcher holds. With 2 it has its next batch while it reports the last one."""
    deadline: float = math.inf
    """Longest time that the learner may wait for a batch."""
    deadline_flag: str = "the deadline"
    """How the user raises it, for the message of a stall."""
    silence_deadline: float = math.inf
    """Longest time without a step, evaluation or saved file."""
    start_deadline: float = math.inf
    """Longest time from a worker's start until it is ready."""
    search_deadline: float = math.inf
    """Longest silence of a searcher that has work."""
    last_word: float = 6.0
    """Longest time that a run which was asked to stop waits for its last checkpoint."""
