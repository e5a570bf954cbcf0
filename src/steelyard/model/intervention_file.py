"""A fitted intervention on disk: `intervention.json` names the method and its settings, safetensors has its numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec
from torch import Tensor

from steelyard.core import Dataclass, SteelyardError, decode, encode, first_line, require
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
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(encode(fitted.method)), indent=2)
    (directory / SETTINGS).write_bytes(text + b"\n")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in fitted.tensors.items()}
    save_file(tensors, directory / TENSORS, {"format": "pt"})


def read_intervention(directory: Path) -> Fitted:
    """The intervention that `write_intervention` wrote.

    Raises:
        SteelyardError: a file is missing or damaged, or names no intervention.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    hint = "give a directory that holds an intervention: RUN/model of a run of steelyard train mean-shift"
    require((directory / SETTINGS).is_file(), "holds no intervention", where=str(directory), hint=hint)
    try:
        settings = msgspec.json.decode((directory / SETTINGS).read_bytes(), type=dict[str, object])
        tensors = load_file(directory / TENSORS)
    except (OSError, msgspec.DecodeError, SafetensorError) as error:
        what = f"no intervention can be read ({first_line(error)})"
        raise SteelyardError(what, where=str(directory), hint=hint) from error
    method = decode(settings, where=str(directory / SETTINGS))
    require(isinstance(method, Restores), "names no intervention", where=str(directory / SETTINGS), hint=hint)
    assert isinstance(method, Restores)
    return method.restore(tensors)
