"""The fit of an intervention as the work of a job: the model's weights stay as they are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from steelyard.core import SteelyardError
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.learner import fitting_work
from steelyard.model.intervention import Intervention
from steelyard.model.intervention_file import SETTINGS, Fitted, read_intervention, write_intervention
from steelyard.policy import Policy


@runtime_checkable
class Fit(Protocol):
    """A fit under way. The policy has what is fitted so far."""

    @property
    def num_steps(self) -> int:
        """Steps to make in all."""
        ...

    @property
    def steps(self) -> int:
        """Steps that are made."""
        ...

    def step(self) -> JsonObject:
        """Make one; returns its metrics."""
        ...

    def save(self, directory: Path) -> None:
        """Write all that `restore` needs."""
        ...

    def restore(self, directory: Path) -> None:
        """Go on from what `save` wrote."""
        ...


def finish(fit: Fit | fitting_work.Fit) -> None:
    """Make all steps that are left."""
    while fit.steps < fit.num_steps:
        fit.step()


@dataclass
class InterventionWork:
    """A `Work` whose steps are those of a fit."""

    policy: Policy
    """The model, with its intervention once there is one."""
    fit: Fit | None
    """The fit; None where the policy has what is only measured."""
    measure: Callable[[], tuple[JsonObject, list[JsonObject]]]
    """Measures the policy as it is: numbers named `eval/...`, and samples to read."""
    facts: JsonMapping
    """The data in numbers."""

    @property
    def num_steps(self) -> int:
        """Those of the fit."""
        return 0 if self.fit is None else self.fit.num_steps

    @property
    def steps(self) -> int:
        """Steps that are made."""
        return 0 if self.fit is None else self.fit.steps

    def step(self) -> JsonObject:
        """Fit, and put what is fitted into the model."""
        assert self.fit is not None
        return self.fit.step()

    def evaluate(self) -> tuple[JsonObject, list[JsonObject]]:
        """Measure the policy as it is."""
        return self.measure()

    def save(self, directory: Path) -> None:
        """Write the fit."""
        assert self.fit is not None
        self.fit.save(directory)

    def restore(self, directory: Path) -> None:
        """Go on with the fit of a checkpoint."""
        assert self.fit is not None
        self.fit.restore(directory)

    def save_model(self, directory: Path) -> None:
        """Write the intervention."""
        write_intervention(writable(self.policy.intervention), directory)

    def close(self) -> None:
        """There are no child processes."""


@dataclass
class AtOnce:
    """A fit of one step."""

    policy: Policy
    find: Callable[[], Fitted]
    """Gives what is fitted."""
    num_steps: int = 1

    @property
    def steps(self) -> int:
        """1 once the policy has it."""
        return int(self.policy.intervention is not None)

    def step(self) -> JsonObject:
        """Fit. Its metrics are the norms of what was found, by name."""
        found = writable(self.find())
        self.policy.intervene(found)
        return {f"intervention/norm/{name}": float(tensor.float().norm()) for name, tensor in found.tensors.items()}

    def save(self, directory: Path) -> None:
        """Write what is fitted, where anything is."""
        if self.steps:
            write_intervention(writable(self.policy.intervention), directory)

    def restore(self, directory: Path) -> None:
        """Take what a checkpoint has."""
        if (directory / SETTINGS).exists():
            self.policy.intervene(read_intervention(directory))


def writable(found: Intervention | None) -> Fitted:
    """What was fitted.

    Raises:
        SteelyardError: it cannot be written.
    """
    if not isinstance(found, Fitted):
        what = "what is fitted has no method and tensors, so it cannot be written"
        raise SteelyardError(what, where=type(found).__name__, hint="see steelyard.model.intervention_file")
    return found
