"""What a world of the shelf is: a module with a `WORLD`, whose docstring is its data sheet.

A proof chooses a world from the table of `steelyard worlds`. What the table says of it is measured, not declared: a
world's `measure` runs a few arms on one seed, and its `properties` judge what all seeds gave. There is a class of
worlds for each kind of data (`text_world`, `labelled_world`, `control_world`), and a world is an instance of one.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Protocol, runtime_checkable

import msgspec

ArmMetrics = Mapping[str, Mapping[str, float]]
"""Arm -> metric -> value, of one seed."""
POINTS = 0.03
"""The smallest mean difference, as a share of the full score, that counts as one."""


class Property(msgspec.Struct, frozen=True):
    """One measured property of a world."""

    name: str
    value: str
    """What was found, in numbers; "-" where the property makes no sense there."""
    matters: bool | None = None
    """Whether a method can gain or lose by it there; None where that is no question."""
    why: str = ""
    """What was compared; where the value is "-", why there is none."""


@runtime_checkable
class World(Protocol):
    """A world of any kind."""

    kind: ClassVar[str]
    """What its data are: text, labelled or control."""
    columns: ClassVar[tuple[str, ...]]
    """Names of the properties that the table of its kind shows."""

    def measure(self, seed: int) -> Iterator[tuple[str, Mapping[str, float]]]:
        """Each arm of one seed with its metrics, as they end."""
        ...

    def properties(self, seeds: Sequence[ArmMetrics]) -> list[Property]:
        """What the seeds say together."""
        ...


def absent(name: str, why: str) -> Property:
    """A property that makes no sense in a world."""
    return Property(name, "-", None, why)


def values(seeds: Sequence[ArmMetrics], arm: str, metric: str) -> list[float]:
    """One metric of an arm, seed by seed."""
    return [arms[arm][metric] for arms in seeds]


def differences(seeds: Sequence[ArmMetrics], arm: str, other: str, metric: str) -> list[float]:
    """How much higher a metric of an arm is than another arm's, seed by seed."""
    return [arms[arm][metric] - arms[other][metric] for arms in seeds]


def counts(difference: Sequence[float], least: float = POINTS) -> bool:
    """True where the mean difference is at least so large and every seed has its sign."""
    return abs(statistics.fmean(difference)) >= least and (min(difference) > 0 or max(difference) < 0)


def percent(found: Sequence[float]) -> str:
    """Mean and standard deviation over seeds, in percent."""
    return f"{100 * statistics.fmean(found):.0f} ± {100 * _spread(found):.0f} %"


def points(found: Sequence[float]) -> str:
    """Mean and standard deviation of a difference, in points."""
    return f"{100 * statistics.fmean(found):+.0f} ± {100 * _spread(found):.0f}"


def plain(found: Sequence[float]) -> str:
    """Mean and standard deviation of numbers that are no shares."""
    return f"{statistics.fmean(found):.3g} ± {_spread(found):.2g}"


def _spread(found: Sequence[float]) -> float:
    return statistics.stdev(found) if len(found) > 1 else 0.0
