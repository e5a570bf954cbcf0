"""A fitted intervention on disk: `intervention.json` names the method and its settings, safetensors has its numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import Tensor

from steelyard.core import Dataclass, decode, require
from steelyard.core.model_files import file_errors, read_facts, read_tensors, write_settings, write_tensors
from steelyard.model.intervention import Intervention

SETTINGS = "intervention.json"
TENSORS = "intervention.safetensors"


@runtime_checkable
class Fitted(Intervention, Protocol):
    """An intervention that was fitted: its settings and its numbers are all there is."""

    @property
    def method(self) -> Dataclass:
        """The settings, an instance of a registered method."""
        ...

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """Name -> numbers."""
        ...


@runtime_checkable
class Restores(Protocol):
    """The settings of an intervention that can be fitted."""

    def restore(self, tensors: Mapping[str, Tensor]) -> Fitted:
        """The fitted intervention that had these tensors."""
        ...


def write_intervention(fitted: Fitted, directory: Path) -> None:
    """Write both files, in a directory that is made where it is absent."""
    write_settings(fitted.method, directory / SETTINGS)
    write_tensors(fitted.tensors, directory / TENSORS)


def read_intervention(directory: Path) -> Fitted:
    """The intervention that `write_intervention` wrote.

    Raises:
        SteelyardError: a file is missing or damaged, or names no intervention.
    """
    hint = "give a directory that holds an intervention: RUN/model of a run of steelyard train mean-shift"
    require((directory / SETTINGS).is_file(), "holds no intervention", where=str(directory), hint=hint)
    with file_errors("no intervention can be read", where=str(directory), hint=hint):
        settings = read_facts(directory / SETTINGS)
        tensors = read_tensors(directory / TENSORS)
    method = decode(settings, where=str(directory / SETTINGS))
    require(isinstance(method, Restores), "names no intervention", where=str(directory / SETTINGS), hint=hint)
    assert isinstance(method, Restores)
    return method.restore(tensors)
