"""A small network being fitted, step by step, so that a run of it can stop anywhere and go on, bit for bit."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from steelyard.core.json import JsonObject
from steelyard.core.model_files import file_errors, read_tensors

TENSORS = "fitting.safetensors"
FACTS = "fitting.json"
_HINT = "go on from another checkpoint"


@dataclass
class Fitting:
    """The network, its optimiser, and the one stream of randomness that its losses draw from."""

    module: nn.Module
    """What is fitted."""
    adam: torch.optim.Optimizer
    """What fits it."""
    loss: Callable[[], Tensor]
    """The next batch's loss, a scalar."""
    stream: torch.Generator | np.random.Generator
    """What batches and noise are drawn from."""
    num_steps: int
    """Steps to make in all."""
    steps: int = 0
    """Steps that are made."""
    rate: Callable[[int], float] | None = None
    """Number of a step, from 0 -> its learning rate; None leaves the optimiser's."""

    def step(self) -> float:
        """Make one; returns the loss before it."""
        if self.rate is not None:
            for group in self.adam.param_groups:
                group["lr"] = self.rate(self.steps)
        loss = self.loss()
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        self.steps += 1
        return float(loss.detach())

    def run(self) -> None:
        """Make all steps that are left."""
        while self.steps < self.num_steps:
            self.step()

    def save(self, directory: Path) -> None:
        """Write all that `restore` needs."""
        from safetensors.torch import save_file

        save_file(tensors_of(self.module, self.adam), directory / TENSORS)
        facts = {"steps": self.steps, "stream": _state(self.stream)}
        (directory / FACTS).write_text(json.dumps(facts), encoding="utf-8")

    def restore(self, directory: Path) -> None:
        """Go on from what `save` wrote.

        Raises:
            SteelyardError: it is missing, damaged, or of another network.
        """
        with file_errors("holds no fit of this network", where=str(directory), hint=_HINT):
            facts = json.loads((directory / FACTS).read_text(encoding="utf-8"))
            tensors = read_tensors(directory / TENSORS)
            restore_tensors(self.module, self.adam, tensors)
            _wind(self.stream, facts["stream"])
            self.steps = int(facts["steps"])


def tensors_of(module: nn.Module, adam: torch.optim.Optimizer) -> dict[str, Tensor]:
    """All numbers of a network and of its optimiser, by name: what a safetensors file holds."""
    memory = adam.state_dict()["state"]
    tensors = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    tensors |= {f"adam.{i}.{name}": tensor for i, own in memory.items() for name, tensor in own.items()}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def restore_tensors(module: nn.Module, adam: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `tensors_of` returned.

    Raises:
        RuntimeError, KeyError, ValueError: they are of another network or optimiser.
    """
    module.load_state_dict(_below("module.", tensors))
    groups = adam.state_dict()["param_groups"]
    adam.load_state_dict({"state": _by_number(_below("adam.", tensors)), "param_groups": groups})


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _by_number(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    found: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        found.setdefault(int(number), {})[key] = tensor
    return found


def _state(stream: torch.Generator | np.random.Generator) -> JsonObject:
    if isinstance(stream, torch.Generator):
        return {"torch": bytes(stream.get_state().tolist()).hex()}
    kept = stream.bit_generator.state
    plain = {name: value.tolist() for name, value in kept["state"].items()}
    return {**kept, "state": plain, "buffer": kept["buffer"].tolist()}


def _wind(stream: torch.Generator | np.random.Generator, state: JsonObject) -> None:
    if isinstance(stream, torch.Generator):
        stream.set_state(torch.tensor(list(bytes.fromhex(state["torch"])), dtype=torch.uint8))
        return
    arrays = {name: np.array(value, np.uint64) for name, value in state["state"].items()}
    stream.bit_generator.state = {**state, "state": arrays, "buffer": np.array(state["buffer"], np.uint64)}
