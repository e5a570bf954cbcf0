"""The interface of ways to forget by an intervention: the weights stay, what the model says to some prompts does not.

`begin` gets rows to forget and rows to keep, and gives a fit whose steps put what is fitted into the policy.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from torch import Tensor

from steelyard.learner.intervention_work import Fit
from steelyard.model.intervention_file import Fitted
from steelyard.policy import Policy
from steelyard.task.answered import Answered


class Forgetting(ABC):
    """Settings of an intervention that makes a model forget: a frozen dataclass with `@method(id, ...)` above it."""

    @abstractmethod
    def begin(self, policy: Policy, forget: Sequence[Answered], retain: Sequence[Answered], *, seed: int) -> Fit:
        """The fit before its first step. The policy gets the intervention; its weights stay as they are.

        Raises:
            SteelyardError: something is lacking in the rows, or the model has not the sites.
        """

    @abstractmethod
    def restore(self, tensors: Mapping[str, Tensor]) -> Fitted:
        """The fitted intervention that had these tensors."""

    @property
    @abstractmethod
    def num_steps(self) -> int:
        """Steps of the fit."""
