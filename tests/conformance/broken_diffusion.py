"""Trainers of diffusion models that each break one check."""

from dataclasses import dataclass

import torch
from torch import nn

from conformance.strangers import breaks, sound
from steelyard.diffusion import Diffusion, NoiseSchedule


class Towards(nn.Module):
    """The noise of rows at +1 or at -1, by their class: exact for rows that are nowhere else."""

    def __init__(self, schedule, sign=1.0, level=0.0):
        super().__init__()
        self.schedule = schedule
        self.at = nn.Parameter(torch.tensor([-sign, sign]))
        self.level = level

    def forward(self, x, place, label):
        bar = self.schedule.bar_T[place][:, None]
        return (x - bar.sqrt() * self.at[label][:, None]) / (1 - bar).sqrt() + self.level


@sound
@dataclass(frozen=True)
class Exact:
    """A stranger's trainer.

        eps = (x_t - sqrt(abar_t) c) / sqrt(1 - abar_t)

    Source: this file.
    """  # fmt: skip

    def fit(self, data_NX, label_N, *, seed: int) -> Diffusion:
        schedule = NoiseSchedule(steps=6)
        return Diffusion(Towards(schedule), schedule, data_NX.shape[1])


@breaks("diffusion-steps")
@dataclass(frozen=True)
class NoGradient(Exact):
    def fit(self, data_NX, label_N, *, seed: int) -> Diffusion:
        model = Exact().fit(data_NX, label_N, seed=seed)
        model.predictor.requires_grad_(False)
        return model


@breaks("diffusion-seeded")
@dataclass(frozen=True)
class GlobalDraws(Exact):
    def fit(self, data_NX, label_N, *, seed: int) -> Diffusion:
        schedule = NoiseSchedule(steps=6)
        return Diffusion(Towards(schedule, level=float(torch.rand(()))), schedule, data_NX.shape[1])


@breaks("diffusion-learns")
@dataclass(frozen=True)
class Backwards(Exact):
    def fit(self, data_NX, label_N, *, seed: int) -> Diffusion:
        schedule = NoiseSchedule(steps=6)
        return Diffusion(Towards(schedule, sign=-1.0), schedule, data_NX.shape[1])
