"""A phase of making a base model: the steps of one learner, with a line of progress now and then."""

import sys
import time
from collections.abc import Callable

from steelyard.core import Trajectory
from steelyard.learner import Learner

EVERY = 100
"""Steps between two lines."""


def carry_out(learner: Learner, steps: range, batch: Callable[[int], list[list[Trajectory]]], began: float) -> None:
    """Learn in each step from what `batch` makes of its number; `began` is when `time.monotonic` was read first."""
    for step in steps:
        row = learner.step(batch(step))
        if (step + 1) % EVERY == 0:
            spent = time.monotonic() - began
            line = f"step {step + 1}/{steps.stop}  loss {row['learner/loss']:.4f}  {spent:.0f} s"
            print(line, file=sys.stderr, flush=True)
