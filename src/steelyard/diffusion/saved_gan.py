"""A trained GAN on disk: `gan.json` says what it is, `gan.safetensors` has the numbers of generator and critic."""

import math
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from torch import nn

from steelyard.core import SteelyardError, decode, encode, first_line
from steelyard.core.json import JsonObject
from steelyard.diffusion.gan import Gan, GanSettings

FACTS = "gan.json"
TENSORS = "gan.safetensors"


@dataclass(frozen=True)
class GanFacts:
    """What a directory says of its GAN."""

    settings: GanSettings
    """Sizes, and how it was trained."""
    shape: tuple[int, ...]
    """Of one image."""
    mean: float
    """Mean of the numbers that it was trained on."""
    spread: float
    """Their standard deviation."""

    def images(self, gan: Gan, number: int, *, seed: int) -> torch.Tensor:
        """So many images, in the numbers of the file that the GAN was trained on: [N, ...]."""
        return (gan.rows(number, seed=seed) * self.spread + self.mean).reshape(-1, *self.shape)


def write_gan(gan: Gan, facts: GanFacts, directory: Path) -> None:
    """Write a GAN into a directory, which is made where it is absent."""
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    (directory / FACTS).write_bytes(msgspec.json.format(msgspec.json.encode(encode(facts)), indent=2) + b"\n")
    tensors = {name: t.detach().contiguous() for name, t in _both(gan).state_dict().items()}
    save_file(tensors, directory / TENSORS, {"format": "pt"})


def read_gan(directory: Path) -> tuple[Gan, GanFacts]:
    """The GAN that was written into a directory.

    Raises:
        SteelyardError: a file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found = msgspec.json.decode((directory / FACTS).read_bytes(), type=JsonObject)
        facts = decode(found, GanFacts, where=str(directory / FACTS))
        assert isinstance(facts, GanFacts)
        gan = facts.settings.new(math.prod(facts.shape), seed=0)
        _both(gan).load_state_dict(load_file(directory / TENSORS))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        what = f"no GAN can be read ({first_line(error)})"
        raise SteelyardError(what, where=str(directory), hint="name the model/ of a run that has finished") from error
    return gan, facts


def _both(gan: Gan) -> nn.ModuleDict:
    return nn.ModuleDict({"generator": gan.generator, "critic": gan.critic})
