"""The mean of several models' weights as a job: `steelyard train average --models DIR DIR`.

    w = 1/N sum_n w_n        tensor by tensor, of models of one architecture

For runs that begin with the same weights and differ in data order, data or settings: their mean is often better than
the mean one of them. It works on files alone, so policies and reward models are averaged alike; sums are in float64,
results in the number format of the first model, whose other files are copied.
Source: Wortsman et al. 2022, arXiv:2203.05482, as Dubey et al. 2024, arXiv:2407.21783, section 4.1.5, use it.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
import tyro
from msgspec import Meta

from steelyard.core import SteelyardError, checked, first_line, require
from steelyard.core.job import DrivenSettings
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.policy.loading import locate

_HINT = "name the model/ of runs that began with one model"
Models = Annotated[
    tuple[str, ...], Meta(description='directories of models; in Python a tuple, such as ("a/model", "b/model")')
]


@checked()
@dataclass(frozen=True)
class WeightAverage(DrivenSettings):
    """Average the weights of models."""

    OWN_DATA: ClassVar[str] = "--models MODEL MODEL"

    models: Models = ()
    """The models: directories that save_pretrained wrote."""
    of: Annotated[str, tyro.conf.Suppress] = "model"
    """What kind of models they are: "model" for policies, "reward" for reward models."""

    @property
    def makes(self) -> str:
        """The kind of its product."""
        return self.of

    @property
    def title(self) -> str:
        """What is averaged."""
        return f"the mean of {len(self.models)} models: {', '.join(self.models)}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The models, whose tensors must agree; those that are not here are named."""
        found = self._located()
        away = ", ".join(model for model, (_, here) in zip(self.models, found, strict=True) if not here)
        told = {"fetches": away} if away else {"tensors": len(_shapes([Path(place) for place, _ in found]))}
        return {"models": {"models": len(self.models), **told}, "steps": {"steps": 1}}

    def open(self) -> "AverageWork":
        """See that the models agree."""
        places = self._places()
        return AverageWork(places, {"models": len(places), "tensors": len(_shapes(places)), "notes": {}})

    def trained(self, model: Path) -> "WeightAverage":
        """The same job on what it wrote, which is its own mean."""
        return replace(self, models=(str(model),))

    def _located(self) -> list[tuple[str, bool]]:
        require(bool(self.models), "is missing", where="--models", hint="name the directories of two models or more")
        return [locate(model) for model in self.models]

    def _places(self) -> list[Path]:
        found = self._located()
        away = next((place for place, here in found if not here), None)
        require(away is None, f"{away} is not on this machine", where="--models", hint="name directories")
        return [Path(place) for place, _ in found]


@dataclass
class AverageWork:
    """A `Work` of one step; all of it is made when the model is written."""

    places: Sequence[Path]
    """The models."""
    facts: JsonMapping
    """The models in numbers."""
    steps: int = 0
    num_steps: int = 1

    def step(self) -> JsonObject:
        """Nothing is kept in memory: the mean is written tensor by tensor."""
        self.steps += 1
        return {"models/averaged": len(self.places)}

    def evaluate(self) -> tuple[JsonObject, list[JsonObject]]:
        """How many models go into the mean; `steelyard eval` measures what comes out by the job of one of them."""
        return {"eval/models": len(self.places)}, []

    def save(self, directory: Path) -> None:
        """There is nothing to keep."""

    def restore(self, directory: Path) -> None:
        """Go on after the only step."""
        self.steps = 1

    def save_model(self, directory: Path) -> None:
        """Write the mean, file by file as the first model has them."""
        from safetensors.torch import save_file

        directory.mkdir(parents=True)
        others = [_files(place) for place in self.places[1:]]
        for file in sorted(self.places[0].iterdir()):
            if file.name.endswith(".safetensors"):
                save_file(dict(_means(file, others)), directory / file.name, metadata={"format": "pt"})
            elif file.is_file() and not file.name.startswith("."):
                shutil.copyfile(file, directory / file.name)

    def close(self) -> None:
        """There are no child processes."""


def _means(file: Path, others: Sequence[Mapping[str, Path]]) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of a file, each the mean with those of other models, of which it is said which file holds what."""
    for name, own in _tensors(file):
        total = own.double()
        for files in others:
            with _opened(files[name]) as held:
                total = total + held.get_tensor(name).double()
        yield name, (total / (1 + len(others))).to(own.dtype).contiguous()


def _tensors(file: Path) -> Iterator[tuple[str, torch.Tensor]]:
    with _opened(file) as held:
        names: list[str] = held.keys()
        for name in names:
            yield name, held.get_tensor(name)


def _files(place: Path) -> dict[str, Path]:
    """Tensor -> the file of the model that holds it."""
    found: dict[str, Path] = {}
    for file in sorted(place.glob("*.safetensors")):
        with _opened(file) as held:
            found |= dict.fromkeys(held.keys(), file)
    return found


def _shapes(places: Sequence[Path]) -> dict[str, list[int]]:
    """Tensor -> its shape, the same in all models.

    Raises:
        SteelyardError: two models differ in that, or hold numbers that have no mean.
    """
    first, *others = (_read_shapes(place) for place in places)
    for place, other in zip(places[1:], others, strict=True):
        odd = next((name for name in sorted({*first, *other}) if first.get(name) != other.get(name)), None)
        what = f"its tensor {odd} is not as in {places[0]}"
        require(odd is None, what, where=str(place), hint=_HINT)
    return first


def _read_shapes(place: Path) -> dict[str, list[int]]:
    found = {}
    for name, file in _files(place).items():
        with _opened(file) as held:
            part = held.get_slice(name)
            what = f"its tensor {name} holds {part.get_dtype()}, of which there is no mean"
            require(str(part.get_dtype()).startswith(("F", "BF")), what, where=str(place), hint=_HINT)
            found[name] = list(part.get_shape())
    return found


def _opened(file: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(file, framework="pt")
    except (OSError, SafetensorError) as error:
        raise SteelyardError(f"cannot be read ({first_line(error)})", where=str(file), hint=_HINT) from error
