"""A replay whose arrivals stay out of sight until they are let in: what a synchronisation brings, comes all at once.

Until the learner has made its first step everything is let in as it comes: it has nothing else to begin with.
"""

from collections.abc import Mapping, Sequence

from steelyard.core import Replay, Trajectory
from steelyard.core.json import JsonMapping
from steelyard.replay import HearsOfSteps


class Withheld:
    """A replay that takes note of arrivals, and stores them when `let_in` is called.

    Args:
        replay: where they are stored.
    """

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._arrived: list[Trajectory] = []

    def let_in(self, version: int) -> None:
        """Store all that has arrived, while the learner is at `version`."""
        self._replay.add(self._arrived, version=version)
        self._arrived = []

    def add(self, trajectories: Sequence[Trajectory], *, version: int) -> int:
        """Take note of arrivals; none is admitted yet, after the first step."""
        if version == 0:
            return self._replay.add(trajectories, version=version)
        self._arrived += trajectories
        return 0

    def sample(
        self, num_prompts: int, num_generations: int, *, version: int, draw: int
    ) -> list[list[Trajectory]] | None:
        """Groups of what was let in."""
        return self._replay.sample(num_prompts, num_generations, version=version, draw=draw)

    def report(self, metrics: Mapping[str, object]) -> None:
        """Hand on the metrics of a step."""
        if isinstance(self._replay, HearsOfSteps):
            self._replay.report(metrics)

    def metrics(self) -> Mapping[str, float]:
        """Those of what was let in."""
        return self._replay.metrics()

    def publish(self, version: int, digest: str) -> None:
        """Enter weights into the ledger."""
        self._replay.publish(version, digest)

    def knows(self, trajectory: Trajectory) -> bool:
        """Whether the ledger has its weights."""
        return self._replay.knows(trajectory)

    def newest_version(self) -> int | None:
        """The highest version in the ledger."""
        return self._replay.newest_version()

    def state(self) -> Mapping[str, object]:
        """That of what was let in."""
        return self._replay.state()

    def restore(self, state: JsonMapping | None, *, keep_later: bool) -> None:
        """Go back to `state`."""
        self._replay.restore(state, keep_later=keep_later)

    def admitted_since(self, state: Mapping[str, object] | None) -> list[tuple[str, int]]:
        """What was let in after `state`."""
        return self._replay.admitted_since(state)

    def forget(self, state: Mapping[str, object]) -> None:
        """Give back room."""
        self._replay.forget(state)

    def close(self) -> None:
        """Close the file."""
        self._replay.close()
