"""Where simulated processes compute: on devices of their own, or on cores that all of them share.

On C shared cores each of the n processes that compute gets a share of them by its weight, and never more than one core:

    rate_i = min(1, lambda w_i),   lambda so that sum_i rate_i = min(n, C)

as the fair scheduler of Linux does it; a weight w is 1.25^-nice. Source: none, this is ours.
"""

import heapq
import math
from collections.abc import Hashable
from typing import Protocol, runtime_checkable


@runtime_checkable
class Devices(Protocol):
    """Work under way."""

    def start(self, key: Hashable, seconds: float, weight: float) -> None:
        """Begin work of so many seconds of one core or device."""
        ...

    def next_end(self) -> float:
        """When the first of all work ends, if nothing else begins; infinite where there is none."""
        ...

    def advance(self, now: float) -> list[Hashable]:
        """Go on to `now`, which is no later than `next_end`; returns whose work ends there."""
        ...


class OwnDevices:
    """A device for everybody: nobody waits for anybody's work."""

    def __init__(self) -> None:
        self._now = 0.0
        self._started = 0
        self._ends: list[tuple[float, int, Hashable]] = []

    def start(self, key: Hashable, seconds: float, weight: float) -> None:
        """Begin work."""
        heapq.heappush(self._ends, (self._now + seconds, self._started, key))
        self._started += 1

    def next_end(self) -> float:
        """When the first work ends."""
        return self._ends[0][0] if self._ends else math.inf

    def advance(self, now: float) -> list[Hashable]:
        """Whose work has ended by now."""
        self._now = now
        ended = []
        while self._ends and self._ends[0][0] <= now:
            ended.append(heapq.heappop(self._ends)[-1])
        return ended


class SharedCores:
    """Cores that all share.

    Args:
        cores: C.
    """

    def __init__(self, cores: float) -> None:
        self._cores = cores
        self._now = 0.0
        self._left: dict[Hashable, float] = {}
        """Seconds of one core that are left of each work."""
        self._weights: dict[Hashable, float] = {}

    def start(self, key: Hashable, seconds: float, weight: float) -> None:
        """Begin work."""
        self._left[key] = seconds
        self._weights[key] = weight

    def next_end(self) -> float:
        """When the first work ends."""
        rates = shares([*self._weights.values()], self._cores)
        waits = [left / rate for left, rate in zip(self._left.values(), rates, strict=True)]
        return self._now + min(waits, default=math.inf)

    def advance(self, now: float) -> list[Hashable]:
        """Whose work has ended by now."""
        rates = shares([*self._weights.values()], self._cores)
        passed = now - self._now
        self._now = now
        # Rounding leaves a last rest; what is less than a nanosecond of a core is none.
        rest = {key: left - rate * passed for (key, left), rate in zip(self._left.items(), rates, strict=True)}
        ended = [key for key, left in rest.items() if left < 1e-9]
        self._left = {key: left for key, left in rest.items() if left >= 1e-9}
        self._weights = {key: self._weights[key] for key in self._left}
        return ended


def shares(weights: list[float], cores: float) -> list[float]:
    """The share of a core that each process gets, of so many cores; see the equation above."""
    rates = [0.0] * len(weights)
    heaviest = sorted(range(len(weights)), key=lambda i: -weights[i])
    cores_left = cores
    weight_left = sum(weights)
    for i in heaviest:
        rates[i] = min(1.0, cores_left * weights[i] / weight_left)
        cores_left -= rates[i]
        weight_left -= weights[i]
    return rates
