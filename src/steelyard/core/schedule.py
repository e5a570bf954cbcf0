"""Schedules of a number over learner steps: constant, linear, and warm-up / stable / decay."""

from dataclasses import dataclass

from steelyard.core.limits import NonNegativeInt, Share, checked


@checked("schedule")
@dataclass(frozen=True)
class LinearSchedule:
    """From `start` to `end` over `steps` steps, then constant. `steps` 0 means `end` at once."""

    start: float
    end: float
    steps: NonNegativeInt

    def __call__(self, step: int) -> float:
        """The value at learner step `step`, counted from 0."""
        share = 1.0 if step >= self.steps else step / self.steps
        return self.start + share * (self.end - self.start)


@checked("schedule")
@dataclass(frozen=True)
class WarmupStableDecay:
    """A multiplier: linear from 0 to 1 over `warmup` steps, 1 for `stable`, linear to `floor` over `decay`.

    `stable` None holds 1 for ever, and `decay` then has no effect.
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
