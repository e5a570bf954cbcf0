"""The unlearning loop: epochs over the forgotten prompts, each paired with a retained prompt.

As in the experiments of Zhang et al. 2024 (arXiv:2404.05868): the forgotten prompts are shuffled each epoch, each is
paired with a random retained prompt, and the model before unlearning is the reference.
"""

from collections.abc import Iterator, Sequence

from steelyard.core import Group, require, rng
from steelyard.core.json import JsonObject
from steelyard.learner import Adam, Learner
from steelyard.learner.referred import Referred
from steelyard.objective import Objective
from steelyard.policy import Policy


def unlearn(
    policy: Policy,
    objective: Objective,
    forget: Sequence[Group],
    retain: Sequence[Group],
    *,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
    optimizer: Adam | None = None,
) -> Iterator[JsonObject]:
    """Unlearn in place; yield the metrics after each step, so that the caller can audit the model in between.

    Args:
        policy: the model to change; its weights at the start are the reference.
        objective: an objective of this room, or any other.
        forget: completions of the prompts to be forgotten, whose label `retain` is false.
        retain: completions of prompts to be kept, whose label `retain` is true; empty for none.
        epochs: passes over the forgotten prompts.
        batch: forgotten prompts in a step; as many retained ones are added.
        learning_rate: the peak of the optimizer's schedule.
        seed: seed of the order.
        optimizer: Adam's settings; the default has weight decay 0.01, as the paper's code.

    Raises:
        SteelyardError: there is nothing to forget.
    """
    learner = Learner(policy, objective, optimizer or Adam(weight_decay=0.01), learning_rate=learning_rate)
    pairs = Paired(learner, forget, retain, batch=batch, seed=seed)
    for step in range(epochs * pairs.steps_per_epoch):
        yield learner.step(pairs.at(step))


class Paired:
    """What each step learns from: forgotten prompts of the epoch's order, and as many retained ones beside them.

    A function of the step's number alone. Reference log-probabilities are computed when a group is met first.

    Args:
        learner: its reference is the model before unlearning.
        forget: as for `unlearn`.
        retain: as for `unlearn`.
        batch: as for `unlearn`.
        seed: as for `unlearn`.

    Raises:
        SteelyardError: there is nothing to forget.
    """

    def __init__(
        self, learner: Learner, forget: Sequence[Group], retain: Sequence[Group], *, batch: int, seed: int
    ) -> None:
        require(len(forget) > 0, "there is nothing to forget", where="unlearn", hint="give at least one group")
        self._forget = Referred(learner, forget)
        self._retain = Referred(learner, retain)
        self._batch = batch
        self._seed = seed

    @property
    def steps_per_epoch(self) -> int:
        """Steps of a pass over the forgotten prompts."""
        return -(-len(self._forget) // self._batch)

    def at(self, step: int) -> list[Group]:
        """The groups of a step, from 0."""
        epoch, turn = divmod(step, self.steps_per_epoch)
        draws = rng(self._seed, "unlearn", epoch)
        order = draws.permutation(len(self._forget)).tolist()
        beside = draws.integers(len(self._retain), size=len(self._forget)).tolist() if len(self._retain) else []
        part = slice(turn * self._batch, (turn + 1) * self._batch)
        return [*self._forget.at(order[part]), *self._retain.at(beside[part])]
