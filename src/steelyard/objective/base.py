"""What an objective is: a frozen dataclass of settings, called on a batch."""

from typing import Protocol, runtime_checkable

from steelyard.core import Batch, Loss


@runtime_checkable
class Objective(Protocol):
    """Maps a batch to a loss; a pure function of the batch that never looks at `tokens_PGT`.

    What an objective may declare besides:

    - `group_size: ClassVar[int] = 2` where it only takes groups of that size (pairs); read by whoever builds batches.
    - `least_group: ClassVar[int] = 2` where a prompt with fewer samples teaches nothing, since they are compared.
    - `build(hidden_size) -> torch.nn.Module` where it learns log Z: maps a prompt's pooled state [P, D] to `log_z_P`.
    - `build_value(hidden_size) -> torch.nn.Module` where it learns values: maps the state before each action [M, D] to
      [M], which fills `value_PGT`. The gradient reaches the policy's trunk unless the module detaches.
    - `demonstrations: ClassVar[bool] = True` where it learns from given completions too: the learner adds each prompt's
      to its group, and `demonstration_PG` marks it.
    - `needs_entropy` true where it reads `entropy_PGT`: of the current policy, without gradient.

    Modules begin the same for everyone: at zero, or from a generator of their own.
    """

    def __call__(self, batch: Batch) -> Loss:
        """The loss of `batch`, whose weight counts what its value is a mean over."""
        ...
