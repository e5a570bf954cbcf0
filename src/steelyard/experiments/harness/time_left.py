"""How many minutes measuring will still take, from what the same arms took at other seeds."""

import statistics
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence


class TimeLeft:
    """Counts down the arms that are still to be measured.

    Args:
        todo: proof -> its arms still to be measured, as often as there are seeds without them.
        known: (proof, arm) -> the seconds that it took at each seed that is there.
        jobs: arms at a time.
    """

    def __init__(
        self, todo: Mapping[str, Sequence[str]], known: Mapping[tuple[str, str], Sequence[float]], jobs: int
    ) -> None:
        self._todo = {id: [*arms] for id, arms in todo.items()}
        self._known = defaultdict(list, {key: [*seconds] for key, seconds in known.items()})
        self._jobs = jobs
        self._lock = threading.Lock()

    def measured(self, id: str, arm: str, seconds: float) -> None:
        """An arm has ended."""
        with self._lock:
            self._known[id, arm].append(seconds)
            if arm in self._todo.get(id, []):
                self._todo[id].remove(arm)

    def __str__(self) -> str:
        with self._lock:
            unknown = [id for id, arms in self._todo.items() if arms and not self._of(id)]
            seconds = sum(self._one(id, arm) for id, arms in self._todo.items() for arm in arms if id not in unknown)
        minutes = f"{seconds / self._jobs / 60:.1f} minutes left"
        return f"{minutes}, and what {', '.join(unknown)} will take" if unknown else minutes

    def _one(self, id: str, arm: str) -> float:
        return statistics.fmean(self._known.get((id, arm)) or self._of(id))

    def _of(self, id: str) -> list[float]:
        return [one for (known, _), seconds in self._known.items() if known == id for one in seconds]
