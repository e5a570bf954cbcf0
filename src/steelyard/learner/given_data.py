"""Work of a `Learner` on data that are given: which groups a step learns from is a function of the step's number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.core import Group, rng
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.learner.learner import Learner

NOT_SAMPLED = ("batch/staleness", "batch/reward")
"""Beginnings of metrics of what was sampled: given trajectories have no age, and their rewards are marks."""


@dataclass
class GivenData:
    """A `Work` whose every step is one of a learner's."""

    learner: Learner
    """Policy, optimiser and objective."""
    groups_at: Callable[[int], Sequence[Group]]
    """Number of a step, from 0 -> what it learns from."""
    num_steps: int
    """Steps to make in all."""
    measure: Callable[[], tuple[JsonObject, list[JsonObject]]]
    """Measures the learner's policy: numbers named `eval/...`, and samples to read."""
    facts: JsonMapping
    """The data in numbers."""
    keep: Callable[[Path], None] = lambda directory: None
    """Writes into a checkpoint what was found before the first step, for a job that reads it back."""
    write: Callable[[Path], None] | None = None
    """Writes what the job was for; None writes the policy."""

    @property
    def steps(self) -> int:
        """Steps that are made."""
        return self.learner.steps

    def step(self) -> JsonObject:
        """Make the next step; returns its metrics."""
        metrics = self.learner.step(self.groups_at(self.learner.steps))
        return {name: value for name, value in metrics.items() if not name.startswith(NOT_SAMPLED)}

    def evaluate(self) -> tuple[JsonObject, list[JsonObject]]:
        """Measure the policy as it is."""
        return self.measure()

    def save(self, directory: Path) -> None:
        """Write the learner, and what the job keeps."""
        self.learner.save(directory)
        self.keep(directory)

    def restore(self, directory: Path) -> None:
        """Restore the learner, with the version that names its weights."""
        self.learner.restore(directory)

    def save_model(self, directory: Path) -> None:
        """Write what the job was for, by itself a directory that transformers loads."""
        (self.write or self.learner.policy.save)(directory)

    def close(self) -> None:
        """There are no child processes."""


def epoch_batch(step: int, examples: int, batch: int, seed: int, name: str) -> Sequence[int]:
    """The examples of a step: a new permutation each epoch, of which the last step takes what is left.

    Args:
        step: from 0.
        examples: how many there are.
        batch: how many a step takes.
        seed: seed of the order.
        name: of the data; two kinds of data in one job are shuffled apart.
    """
    epoch, turn = divmod(step, -(-examples // batch))
    order = rng(seed, name, epoch).permutation(examples)
    return order[turn * batch : (turn + 1) * batch].tolist()
