"""A trained GAN on disk: `gan.json` says what it is, `gan.safetensors` has the numbers of generator and critic."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from steelyard.core.model_files import file_errors, read_settings, read_tensors, write_settings, write_tensors
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
    write_settings(facts, directory / FACTS)
    write_tensors(_both(gan).state_dict(), directory / TENSORS)


def read_gan(directory: Path) -> tuple[Gan, GanFacts]:
    """The GAN that was written into a directory.

    Raises:
        SteelyardError: a file is missing or damaged.
    """
    hint = "name the model/ of a run that has finished"
    with file_errors("no GAN can be read", where=str(directory), hint=hint):
        facts = read_settings(directory / FACTS, GanFacts)
        gan = facts.settings.new(math.prod(facts.shape), seed=0)
        _both(gan).load_state_dict(read_tensors(directory / TENSORS))
    return gan, facts


def _both(gan: Gan) -> nn.ModuleDict:
    return nn.ModuleDict({"generator": gan.generator, "critic": gan.critic})
