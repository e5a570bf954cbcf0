"""Networks that learn in turn, each by its own optimiser and loss: a generator and what judges it.

A step is one of each player, in order. All draw from one stream, so a run can stop after any step and go on, bit for
bit (`learner.fitting_work.Fit`).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from steelyard.core.model_files import file_errors, read_tensors
from steelyard.learner.fitting import restore_tensors, tensors_of

FACTS = "players.json"
CLIPPED = 1.0
"""Largest number of a gradient."""


@dataclass(frozen=True)
class Player:
    """A network, what fits it, and its loss."""

    module: nn.Module
    """What is fitted."""
    adam: torch.optim.Optimizer
    """What fits it."""
    loss: Callable[[], Tensor]
    """The next batch's loss, a scalar."""


@dataclass
class Players:
    """Networks that make their steps in turn."""

    players: Mapping[str, Player]
    """Name -> player, in the order of their steps."""
    stream: torch.Generator
    """What all of them draw from."""
    num_steps: int
    """Steps to make in all."""
    steps: int = 0
    """Steps that are made."""

    def step(self) -> float:
        """A step of each; returns the last one's loss before its own."""
        loss = torch.zeros(())
        for player in self.players.values():
            loss = player.loss()
            own = [p for p in player.module.parameters() if p.requires_grad]
            for number, grad in zip(own, torch.autograd.grad(loss, own, allow_unused=True), strict=True):
                number.grad = None if grad is None else grad.clamp(-CLIPPED, CLIPPED)
            player.adam.step()
            player.adam.zero_grad()
        self.steps += 1
        return float(loss.detach())

    def run(self) -> None:
        """Make all steps that are left."""
        while self.steps < self.num_steps:
            self.step()

    def save(self, directory: Path) -> None:
        """Write all that `restore` needs."""
        from safetensors.torch import save_file

        for name, player in self.players.items():
            save_file(tensors_of(player.module, player.adam), directory / f"{name}.safetensors")
        facts = {"steps": self.steps, "stream": bytes(self.stream.get_state().tolist()).hex()}
        (directory / FACTS).write_text(json.dumps(facts), encoding="utf-8")

    def restore(self, directory: Path) -> None:
        """Go on from what `save` wrote.

        Raises:
            SteelyardError: it is missing, damaged, or of other networks.
        """
        with file_errors("holds no fit of these networks", where=str(directory), hint="go on from another checkpoint"):
            facts = json.loads((directory / FACTS).read_text(encoding="utf-8"))
            for name, player in self.players.items():
                restore_tensors(player.module, player.adam, read_tensors(directory / f"{name}.safetensors"))
            self.stream.set_state(torch.tensor(list(bytes.fromhex(facts["stream"])), dtype=torch.uint8))
            self.steps = int(facts["steps"])
