"""An arm of an experiment: what makes it, as data, so that a trial can change it and a digest can cover it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from steelyard.experiments.harness.metric import Metrics

SettingT = TypeVar("SettingT")
SettingsT = TypeVar("SettingsT")


@dataclass(frozen=True)
class Arm(Generic[SettingsT]):
    """One arm, to be measured."""

    name: str
    settings: SettingsT
    """What this arm has and others have not: an objective, a curriculum, a rule."""
    rate: float = 0.0
    """Its learning rate; 0 where it learns at none, or at one that is no setting."""


Experiment = Callable[[int, SettingT, Iterable[Arm[SettingsT]]], Iterator[tuple[str, Metrics]]]
"""`measure(seed, setting, arms)` prepares what arms share, then yields each arm's name and metrics.

Arms come one by one, perhaps not all, and perhaps others of the seed are measured in another process: an arm's metrics
depend on the seed, the setting and the arm, and on nothing else.
"""
