"""A trained diffusion model on disk: `diffusion.json` says what it is, `diffusion.safetensors` has its numbers."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from steelyard.core.model_files import file_errors, read_settings, read_tensors, write_settings, write_tensors
from steelyard.diffusion.generation import Diffusion
from steelyard.diffusion.one_step import OneStep
from steelyard.diffusion.trainer import DiffusionTrainer, Training

FACTS = "diffusion.json"
TENSORS = "diffusion.safetensors"


@dataclass(frozen=True)
class Facts:
    """What a directory says of its model."""

    trainer: DiffusionTrainer
    """What trained it: the network's sizes follow from it."""
    shape: tuple[int, ...]
    """Of one image."""
    classes: int
    """C."""
    mean: float
    """Mean of the numbers that it was trained on."""
    spread: float
    """Their standard deviation."""
    one_step: int | None = None
    """The place of the schedule at which it generates in one step; None for all of them, one after another."""


@dataclass(frozen=True)
class SavedDiffusion:
    """A model with the scale of its images."""

    facts: Facts
    model: Diffusion | OneStep

    def images(self, label_N: torch.Tensor, *, seed: int) -> torch.Tensor:
        """An image of each class, in the numbers of the file that the model was trained on: [N, ...]."""
        rows_NX = self.model.rows(label_N, seed=seed)
        return (rows_NX * self.facts.spread + self.facts.mean).reshape(-1, *self.facts.shape)


def write_diffusion(module: nn.Module, facts: Facts, directory: Path) -> None:
    """Write a model's network into a directory, which is made where it is absent."""
    write_settings(facts, directory / FACTS)
    write_tensors(module.state_dict(), directory / TENSORS)


def read_diffusion(directory: Path) -> SavedDiffusion:
    """The model that was written into a directory.

    Raises:
        SteelyardError: a file is missing or damaged.
    """
    hint = "name the model/ of a run that has finished"
    with file_errors("no diffusion model can be read", where=str(directory), hint=hint):
        facts = read_settings(directory / FACTS, Facts)
        training = untrained(facts)
        training.fitting.module.load_state_dict(read_tensors(directory / TENSORS))
    model = training.model
    if facts.one_step is None:
        return SavedDiffusion(facts, model)
    return SavedDiffusion(facts, OneStep(model.predictor, model.schedule, model.size, facts.one_step))


def untrained(facts: Facts) -> Training:
    """A model of these sizes before its first step."""
    row_1X = torch.zeros(1, math.prod(facts.shape))
    return facts.trainer.begin(row_1X, torch.tensor([facts.classes - 1]), seed=0)
