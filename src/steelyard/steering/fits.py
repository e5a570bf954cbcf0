"""How an intervention is fitted, step by step: at once, site after site, or end to end while the model runs with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from steelyard.core import rng
from steelyard.core.json import JsonObject
from steelyard.learner.fitting import Fitting
from steelyard.learner.intervention_work import Fit, writable
from steelyard.model.affine import TargetStates
from steelyard.model.intervention import Intervention, States, Steering
from steelyard.model.intervention_file import SETTINGS, Fitted, Restores, read_intervention, write_intervention
from steelyard.policy import Policy
from steelyard.policy.activations import mean_states, moved_states


@runtime_checkable
class Learned(Intervention, Protocol):
    """Parameters of an intervention that are learned: a torch module, too."""

    def cost(self, moved: States) -> Tensor:
        """What is minimised, where source texts have these states with the intervention in place."""
        ...

    def fitted(self) -> Fitted:
        """The intervention as it is now."""
        ...

    @property
    def changed(self) -> float:
        """Share of all neurons that are changed."""
        ...


@runtime_checkable
class EndToEnd(Steering, Protocol):
    """Settings of an intervention that is learned while the model runs with all of it."""

    @property
    def steps(self) -> int:
        """Steps of learning."""
        ...

    def start(self, source: States, target: TargetStates) -> Learned:
        """The intervention before it changes anything."""
        ...

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 0."""
        ...

    def optimizer(self, maps: nn.Module) -> torch.optim.Optimizer:
        """What makes the steps."""
        ...


def fit_of(
    policy: Policy, steering: Steering, source: Sequence[str], target: Sequence[str], *, one_by_one: bool
) -> Fit:
    """The fit of an intervention to texts, before its first step."""
    if isinstance(steering, EndToEnd):
        return Through(policy, steering, source, target)
    sites = tuple(steering.sites(policy.model.config.num_hidden_layers))
    parts = tuple((site,) for site in sites) if one_by_one else (sites,)
    return InParts(policy, steering, source, target, parts)


@dataclass
class InParts:
    """Sites are fitted part after part, each part to what the model gives with the parts before it in place."""

    policy: Policy
    steering: Steering
    source: Sequence[str]
    target: Sequence[str]
    parts: Sequence[Sequence[str]]

    @property
    def num_steps(self) -> int:
        """One for each part."""
        return len(self.parts)

    @property
    def steps(self) -> int:
        """Parts that are fitted."""
        present = self.policy.intervention
        known = () if present is None else present.sites(self.policy.model.config.num_hidden_layers)
        return sum({*part} <= {*known} for part in self.parts)

    def step(self) -> JsonObject:
        """Fit the next part. Its metrics are the norms of its numbers, by name."""
        sites = self.parts[self.steps]
        present = self.policy.intervention
        source = mean_states(self.policy, self.source, sites, under=present)
        found = writable(self.steering.fit(source, mean_states(self.policy, self.target, sites)))
        self.policy.intervene(found if present is None else self._joined(writable(present), found))
        return {f"steering/norm/{name}": float(tensor.norm()) for name, tensor in found.tensors.items()}

    def _joined(self, before: Fitted, found: Fitted) -> Fitted:
        assert isinstance(self.steering, Restores)
        return self.steering.restore({**before.tensors, **found.tensors})

    def save(self, directory: Path) -> None:
        """Write what is fitted so far, where anything is."""
        if self.policy.intervention is not None:
            write_intervention(writable(self.policy.intervention), directory)

    def restore(self, directory: Path) -> None:
        """Take what a checkpoint has."""
        if (directory / SETTINGS).exists():
            self.policy.intervene(read_intervention(directory))


class Through:
    """All sites are learned together, by gradients through the model."""

    def __init__(self, policy: Policy, steering: EndToEnd, source: Sequence[str], target: Sequence[str]) -> None:
        self.policy = policy
        sites = steering.sites(policy.model.config.num_hidden_layers)
        self.maps = maps = steering.start(*(mean_states(policy, texts, sites) for texts in (source, target)))
        assert isinstance(maps, nn.Module)

        def loss() -> Tensor:
            return maps.cost(moved_states(policy, source, maps))

        optimizer, steps = steering.optimizer(maps), steering.steps
        self._fitting = Fitting(maps, optimizer, loss, _nothing_is_drawn(), steps, rate=steering.rate)

    @property
    def num_steps(self) -> int:
        """As the settings say."""
        return self._fitting.num_steps

    @property
    def steps(self) -> int:
        """Steps that are made."""
        return self._fitting.steps

    def step(self) -> JsonObject:
        """Learn from all texts once."""
        loss = self._fitting.step()
        self.policy.intervene(self.maps.fitted())
        return {"learner/loss": loss, "steering/changed": self.maps.changed}

    def save(self, directory: Path) -> None:
        """Write the parameters."""
        self._fitting.save(directory)

    def restore(self, directory: Path) -> None:
        """Go on from a checkpoint."""
        self._fitting.restore(directory)
        if self.steps:
            self.policy.intervene(self.maps.fitted())


def _nothing_is_drawn() -> np.random.Generator:
    return rng(0, "steering")
