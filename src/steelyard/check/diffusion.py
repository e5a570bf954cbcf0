"""Checks for what trains a diffusion model: it generates, its steps have the densities that they say, and it learns."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from steelyard.check.verdict import Check, demand
from steelyard.diffusion import Diffusion


@runtime_checkable
class Trainer(Protocol):
    """Settings with `fit`; a frozen dataclass."""

    def fit(self, data_NX: Tensor, label_N: Tensor, *, seed: int) -> Diffusion:
        """A model of the rows."""
        ...


def _rows() -> tuple[Tensor, Tensor]:
    """Two classes of rows, at +1 and at -1."""
    label_N = torch.arange(64) % 2
    return (2.0 * label_N[:, None] - 1).expand(-1, 4).contiguous(), label_N


@lru_cache(maxsize=4)
def _fitted(trainer: Trainer) -> Diffusion:
    return trainer.fit(*_rows(), seed=1)


def diffusion_steps(trainer: Trainer) -> None:
    """A path has T + 1 states, and the log-probabilities of its steps are those that the model gives them again."""
    model = _fitted(trainer)
    path = model.sample(torch.tensor([0, 1, 1]), seed=2)
    steps = model.schedule.steps
    demand(path.state_NSX.shape == (3, steps + 1, 4), f"a path has the shape {tuple(path.state_NSX.shape)}")
    again_NT = model.step_logp(path)
    demand(again_NT.requires_grad, "log-probabilities carry no gradient")
    off = float((again_NT.detach() - path.logp_NT).abs().max())
    demand(off < 1e-2, f"steps that were taken have log-probabilities that are {off:.3g} nats off")


def diffusion_seeded(trainer: Trainer) -> None:
    """Equal seeds give equal models and rows, whatever torch's own generator does; it is left alone, too."""
    before = torch.get_rng_state()
    twin = trainer.fit(*_rows(), seed=1)
    label_N = torch.tensor([0, 1])
    first, second = (model.sample(label_N, seed=3).data_NX for model in (_fitted(trainer), twin))
    demand(torch.equal(before, torch.get_rng_state()), "it draws from torch's global generator")
    demand(torch.equal(first, second), "two fits with one seed give other rows")
    demand(not torch.equal(first, twin.sample(label_N, seed=4).data_NX), "another seed gives the same rows")


def diffusion_learns(trainer: Trainer) -> None:
    """Of two classes of rows, each is generated when it is asked for."""
    label_N = torch.arange(64) % 2
    data_NX = _fitted(trainer).sample(label_N, seed=5).data_NX
    right = float(((data_NX.mean(1) > 0) == (label_N == 1)).float().mean())
    demand(right > 0.9, f"{right:.0%} of the rows are of the class that was asked for")


DIFFUSION_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "diffusion-steps": diffusion_steps,
        "diffusion-seeded": diffusion_seeded,
        "diffusion-learns": diffusion_learns,
    }
)
