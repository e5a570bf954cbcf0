"""What a simulated run was seen to do, from some step on to its last."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.core import Trajectory
from steelyard.runtime.simulated.coarse import length_of


@dataclass(frozen=True)
class Observed:
    """One simulated run."""

    steps: int
    seconds: float
    """Virtual seconds."""
    found: int
    """Completions that searchers delivered."""
    trained: int
    """Completions that the learner stepped on, each as often as it was drawn."""
    learner_idle: float
    """Share of the time in which the learner waited."""
    searcher_idle: float
    """Share of the searchers' time in which they had nothing to draw, or waited at a synchronisation."""
    driver_busy: float
    """Share of the time in which the driver stored and drew."""
    staleness: Counter[int]
    """Versions by which a completion that was trained on trailed the learner -> how often."""
    stored: int
    """Completions in the replay at the end."""
    length_found: float
    """Mean length of what was found (tokens)."""
    length_trained: float
    """Mean length of what was trained on (tokens)."""

    @property
    def steps_per_s(self) -> float:
        """Learner steps a second."""
        return self.steps / self.seconds

    @property
    def found_per_s(self) -> float:
        """Completions a second."""
        return self.found / self.seconds

    @property
    def uses(self) -> float:
        """How often the learner draws for each completion that is found: below 1 there is more than it can take."""
        return self.trained / max(self.found, 1)

    @property
    def mean_staleness(self) -> float:
        """In versions."""
        return sum(s * n for s, n in self.staleness.items()) / self.staleness.total()

    def staleness_at(self, share: float) -> int:
        """The smallest staleness that this share of what was trained on does not exceed (versions)."""
        reached = 0
        for staleness in sorted(self.staleness):
            reached += self.staleness[staleness]
            if reached >= share * self.staleness.total():
                return staleness
        raise ValueError(f"{share} is no share")


class Tally:
    """The sums behind it."""

    def __init__(self) -> None:
        self.began = 0.0
        """When counting began (virtual seconds)."""
        self.learner_idle = self.searcher_idle = self.driver_busy = 0.0
        """Seconds; those of all searchers together."""
        self._staleness: Counter[int] = Counter()
        self._found = self._trained = self._length_found = self._length_trained = 0

    def found(self, trajectories: Sequence[Trajectory]) -> None:
        """Count what was delivered."""
        self._found += len(trajectories)
        self._length_found += sum(map(length_of, trajectories))

    def trained(self, groups: Sequence[Sequence[Trajectory]], version: int) -> None:
        """Count what a learner at `version` steps on."""
        for group in groups:
            self._trained += len(group)
            self._length_trained += sum(map(length_of, group))
            self._staleness.update(version - t.version for t in group)

    def observed(self, *, steps: int, now: float, searchers: int, stored: int, grain: int) -> Observed:
        """What `steps` steps up to now add up to, where each completion stands for `grain`."""
        seconds = now - self.began
        return Observed(
            steps=steps,
            seconds=seconds,
            found=self._found * grain,
            trained=self._trained * grain,
            learner_idle=self.learner_idle / seconds,
            searcher_idle=self.searcher_idle / (seconds * searchers),
            driver_busy=self.driver_busy / seconds,
            staleness=self._staleness,
            stored=stored * grain,
            length_found=self._length_found / max(self._found, 1),
            length_trained=self._length_trained / self._trained,
        )
