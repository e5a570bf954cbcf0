"""Settings of a job that fits an intervention to a model, whose weights stay as they are.

The run's `model` directory holds the intervention: `steelyard sample RUN` runs the model with it, and `--intervention
RUN/model` of a recipe or an audit puts it into the model there.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from steelyard.core import PositiveInt, Seed, checked, require
from steelyard.core.json import JsonObject
from steelyard.model.intervention_file import read_intervention
from steelyard.policy import Policy
from steelyard.policy.device import AUTO, Device, check_device, device_of
from steelyard.policy.meta_model import local_directory, meta_policy, told_of

_HINT = "name a directory, a shipped model or a hub id"


@checked()
@dataclass(frozen=True)
class InterventionJob:
    """The model, and where the run goes."""

    model: str = ""
    """A directory, a model shipped with the package (steelyard/NAME), or a hub id."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the model's weights."""
    device: Device = AUTO
    """Where the model computes: auto, cpu, cuda or cuda:NUMBER."""
    seed: Seed = 0
    """Seed of every random draw."""
    output_dir: str | None = None
    """The run's directory, empty or not there yet; by default runs/RECIPE-TIME."""
    threads: PositiveInt | None = None
    """Compute threads; None leaves their number to torch."""
    fitted: Annotated[str, tyro.conf.Suppress] = ""
    """Directory of the intervention once it is fitted: `trained` sets it."""

    @property
    def product(self) -> str:
        """A directory with the intervention, in the place of a model."""
        return "model"

    @property
    def keep_checkpoints(self) -> int:
        """The last one."""
        return 1

    def trained(self, model: Path) -> "InterventionJob":
        """The same job with the intervention that it wrote."""
        return replace(self, fitted=str(model))

    def policy(self) -> Policy:
        """The model, with its intervention once that is fitted.

        Raises:
            SteelyardError: there is no such model or no such intervention, or the model has no such site.
        """
        require(bool(self.model), "is missing", where="--model", hint=_HINT)
        check_device(self.device)
        policy = Policy.load(self.model, dtype=self.dtype).placed(self.device)
        if self.fitted:
            policy.intervene(read_intervention(Path(self.fitted)))
        return policy

    def planned_policy(self) -> Policy | None:
        """The model without its weights; None where it is not on this machine.

        Raises:
            SteelyardError: as for `policy`, as far as that can be known without weights.
        """
        require(bool(self.model), "is missing", where="--model", hint=_HINT)
        check_device(self.device)
        place = local_directory(self.model)
        return None if place is None else meta_policy(place, dtype=self.dtype)

    def planned_model(self, policy: Policy | None) -> JsonObject:
        """What a plan says of the model."""
        if policy is None:
            return told_of(self.model, here=False)
        number = policy.num_parameters(trainable=False)
        sizes = {"type": policy.model.config.model_type, "parameters": number}
        return {"model": self.model, **sizes, "device": str(device_of(self.device, number))}
