"""Schedules over learner steps: of any numeric setting (linear, cosine, constant-then), and of the learning rate."""

import math
from dataclasses import dataclass
from typing import Literal

from steelyard.core.errors import SteelyardError
from steelyard.core.limits import NonNegativeInt, Share, checked

Shape = Literal["linear", "cosine", "constant-then"]
FORM = "START:END:STEPS[:SHAPE]"
"""How a schedule is written in one word."""


@checked("schedule")
@dataclass(frozen=True)
class Schedule:
    """A number that goes from `start` to `end` within `steps` learner steps, and stays at `end`.

        linear          start + s (end - start),                       s = step / steps
        cosine          start + (1 - cos(pi s)) / 2 (end - start)
        constant-then   start while step < steps, then end

    `steps` 0 means `end` at once. `end` is exact from step `steps` on, counted from 0.

        >>> halved = Schedule(1.0, 0.5, steps=100)
        >>> halved(0), halved(50), halved(1000)
        (1.0, 0.75, 0.5)
        >>> str(Schedule.parse("1.0:0.05:100:cosine"))
        '1.0:0.05:100:cosine'

    Raises:
        SteelyardError: fewer than 0 steps, or an unknown shape.
    """

    start: float
    """Value at learner step 0."""
    end: float
    """Value from learner step `steps` on."""
    steps: NonNegativeInt
    """Learner steps of the change."""
    shape: Shape = "linear"
    """How it gets from one to the other."""

    def __call__(self, step: int) -> float:
        """The value at learner step `step`, counted from 0."""
        if step >= self.steps:
            share = 1.0
        elif self.shape == "linear":
            share = step / self.steps
        else:
            share = (1 - math.cos(math.pi * step / self.steps)) / 2 if self.shape == "cosine" else 0.0
        return self.start + share * (self.end - self.start)

    def __str__(self) -> str:
        return f"{self.start!r}:{self.end!r}:{self.steps}" + ("" if self.shape == "linear" else f":{self.shape}")

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """The schedule that is written as `START:END:STEPS[:SHAPE]`, such as `1.0:0.05:100:cosine`.

        Raises:
            SteelyardError: it is written in another form.
        """
        start, end, steps, shape = [*text.split(":"), "linear"][:4] if text.count(":") in (2, 3) else [""] * 4
        try:
            return cls(float(start), float(end), int(steps), shape)  # pyright: ignore[reportArgumentType]
        except ValueError as error:
            hint = f"write {FORM}, such as 1.0:0.05:100 or 1.0:0.05:100:cosine"
            raise SteelyardError(f"{text!r} is not a schedule", where="--schedule", hint=hint) from error


@checked("schedule")
@dataclass(frozen=True)
class WarmupStableDecay:
    """A multiplier: linear from 0 to 1 over `warmup` steps, 1 for `stable`, linear to `floor` over `decay`.

    `stable` None holds 1 for ever, and `decay` then has no effect.

        >>> [WarmupStableDecay(warmup=1, stable=2, decay=2)(step) for step in range(6)]
        [0.5, 1.0, 1.0, 1.0, 0.5, 0.0]
    """

    warmup: NonNegativeInt = 0
    stable: NonNegativeInt | None = None
    decay: NonNegativeInt = 0
    floor: Share = 0.0

    def __call__(self, step: int) -> float:
        """The multiplier for learner step `step`, counted from 0; the first warm-up step already moves."""
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        if self.stable is None or step < self.warmup + self.stable:
            return 1.0
        done = step - self.warmup - self.stable
        return self.floor if done >= self.decay else 1.0 - (1.0 - self.floor) * done / self.decay
