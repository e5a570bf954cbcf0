"""The restart policy: exponential back-off, and an end of the run once failures pile up."""

from collections import deque

from steelyard.core import FaultError
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.runtime.run import Restarts


class Failures:
    """The failures of a run's restartable parts. Time is the caller's: wall clock or virtual, in seconds."""

    def __init__(self, settings: Restarts) -> None:
        self._settings = settings
        self._recent: deque[tuple[float, str, str]] = deque()
        self.total = 0

    def note(self, who: str, why: str, now: float) -> float:
        """Count a failure; returns the seconds until `who` may start again.

        Raises:
            FaultError: more failures than the limit lie within the window; it names the causes.
        """
        settings = self._settings
        while self._recent and self._recent[0][0] <= now - settings.window:
            self._recent.popleft()
        self._recent.append((now, who, why))
        self.total += 1
        if len(self._recent) > settings.limit:
            raise FaultError(
                f"{len(self._recent)} failures within {settings.window:g} s: {self._causes()}",
                where="supervisor",
                hint="look above for their last words, mend the cause, and resume the run",
            )
        again = sum(name == who for _, name, _ in self._recent)
        return min(settings.longest_backoff, settings.backoff * 2 ** (again - 1))

    def _causes(self) -> str:
        """Each cause once, the latest first, with the parts that it hit."""
        causes: dict[str, list[str]] = {}
        for _, who, why in reversed(self._recent):
            causes.setdefault(why, []).append(who)
        return "; ".join(f"{', '.join(sorted(set(names)))} {why}" for why, names in causes.items())

    def state(self) -> JsonObject:
        """All that a resume needs: how many there were, and those that still count."""
        return {"total": self.total, "recent": list(self._recent)}

    def restore(self, state: JsonMapping) -> None:
        """Go on from a `state`; its clock must be the same."""
        self.total = state["total"]
        self._recent = deque((float(when), who, why) for when, who, why in state["recent"])
