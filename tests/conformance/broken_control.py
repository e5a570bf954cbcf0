"""Systems and learners of control that each break one check."""

from dataclasses import dataclass

import numpy as np
import torch

from conformance.strangers import breaks, sound
from steelyard.check.control import Corridor
from steelyard.control import Controller, Step


@sound
@dataclass(frozen=True)
class Walk(Corridor):
    """A stranger's system.

        s' = s + 1 for action 1, s - 1 for action 0

    Source: this file.
    """  # fmt: skip

    horizon: int = 8
    """Steps."""
    observation_size: int = 5
    """Places."""
    num_actions: int = 2
    """Left and right."""
    continuous: bool = False
    """No."""


@breaks("system-sizes")
@dataclass(frozen=True)
class SeesTooLittle(Walk):
    def observe(self, state):
        return np.zeros(4, np.float32)


@breaks("system-pure")
@dataclass(frozen=True)
class Moody(Walk):
    def step(self, state, action, draws):
        return Step(state, float(np.random.default_rng().random()))


@breaks("system-ends")
@dataclass(frozen=True)
class DrawsOfItsOwn(Walk):
    def step(self, state, action, draws, own=np.random.default_rng(0)):  # noqa: B008
        return Step(min(state + 1, 4), float(own.random()))


@sound
@dataclass(frozen=True)
class GoesRight:
    """A stranger's learner.

        a = 1

    Source: this file.
    """  # fmt: skip

    def fit(self, system, *, seed: int) -> Controller:
        return lambda observation, draws: 1


@breaks("controller-learns")
@dataclass(frozen=True)
class GoesLeft(GoesRight):
    def fit(self, system, *, seed: int) -> Controller:
        return lambda observation, draws: 0


@breaks("controller-seeded")
@dataclass(frozen=True)
class GlobalDraws(GoesRight):
    def fit(self, system, *, seed: int) -> Controller:
        torch.rand(())
        return lambda observation, draws: 1
