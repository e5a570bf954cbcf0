"""What an objective is: a frozen dataclass of settings, called on a batch."""

from collections.abc import Mapping
from typing import Protocol, TypeVar, runtime_checkable

from torch import Tensor

from steelyard.core import Batch, Loss

S = TypeVar("S")


@runtime_checkable
class Objective(Protocol):
    """Maps a batch to a loss: a pure function of the batch, which never looks at `tokens_PGT`.

    What it reads besides log-probabilities and masks stands in one class attribute (or property),
    `needs: ClassVar[Needs] = Needs(...)`: fields, labels, group size, demonstrations, entropy, trained heads, and
    whether its samples must be draws of the policy (`on_policy`). Heads start equal in every run: at zero, or from a
    generator of their own.
    """

    def __call__(self, batch: Batch) -> Loss:
        """The loss of `batch`; its weight counts what its value is a mean over."""
        ...


@runtime_checkable
class StatefulObjective(Protocol[S]):
    """An objective with memory, such as a moving baseline.

    Within an optimiser step the state is only read. After the step it is replaced once, from the step's statistics:
    `Loss.stats` of all micro-batches, combined by weight as values are. So cutting a batch between groups changes
    nothing. A step without weight leaves the state as it is.

    The state is data: a frozen dataclass or `msgspec.Struct` of numbers, texts and containers, which a checkpoint holds
    as JSON.
    """

    def init(self) -> S:
        """The state before the first step."""
        ...

    def __call__(self, batch: Batch, state: S | None = None) -> Loss:
        """The loss of `batch` in `state`; None stands for `init()`."""
        ...

    def update(self, state: S, stats: Mapping[str, float]) -> S:
        """The state after a step with these statistics; `state` itself does not change."""
        ...


@runtime_checkable
class BatchWide(Protocol):
    """An objective in which the prompts of a step compete with each other, such as for a common budget.

    Once in a step, `mark` sees the whole batch, before it is cut into micro-batches. What it returns are labels, which
    `__call__` reads as it reads others; so cutting a batch still changes nothing.
    """

    @property
    def marked(self) -> tuple[str, ...]:
        """The labels that `mark` gives, all of axes PG; `needs` names them, too."""
        ...

    def mark(self, batch: Batch) -> Mapping[str, Tensor]:
        """The labels of the batch, whose policy's log-probabilities are not yet known: `logp_PGT` is 0."""
        ...


@runtime_checkable
class ScalesRate(Protocol):
    """An objective that takes a smaller step where the step's samples are worth few of the policy as it is now.

    The learner asks once in a step, when every micro-batch has its gradient and before the optimiser uses it.
    """

    def rate_scale(self, ess_share: float) -> float:
        """What the step's learning rate is multiplied by, 0 or more.

        Args:
            ess_share: the effective sample size of the step's samples as a share of their number, above 0 and at
                most 1: ESS / N of the ratios pi / mu of whole completions, over the whole step.
        """
        ...
