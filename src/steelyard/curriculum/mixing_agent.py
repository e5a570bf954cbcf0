"""The agent of `data_mixing_agent.py`: a small network from what a run has shown so far to shares of its domains.

    f_i(t) = (L_i(0) - L_i(t)) / max(|L_i(0)|, .1)        feedback: by which share the loss of domain i has fallen
    S(t)   = mean over the two sides of mean over their domains of f_i(t)        sides: targets and sources
    x_i(t) = is a target, t / rounds, mean f of each side, f_i(t), ..., f_i(t - w + 1), D a_i(t - 1), ..., D a_i(t - w)
    a(t)   = softmax_i(u(h_i, mean_j h_j)),  h_i = v(x_i(t))

D domains, a_i(t) the share of domain i in round t, w = 3. u and v are networks of two layers, the same for every
domain, so that an agent takes domains in any order and any number of them, also those of another run. The last layer of
u begins at 0: an agent that has learned nothing draws all domains alike. Before the first round shares count as equal,
and losses as unchanged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec
import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from steelyard.core import SteelyardError
from steelyard.core.model_files import file_errors, read_tensors

WINDOW = 3
WIDTH = 32
FEATURES = 4 + 2 * WINDOW
FLOOR = 0.1
"""Least loss that a fall is a share of: rewards that are right from the first leave a loss of 0."""
TENSORS = "agent.safetensors"
FACTS = "agent.json"
PRODUCT = "agent"
"""Directory of a run that holds its agent."""
HINT = "give the run of steelyard train data-mixing-agent, or its agent/"

Numbers = Sequence[Sequence[float]]


@runtime_checkable
class Mixer(Protocol):
    """What gives the shares of the next round."""

    def shares(self, shares: Numbers, losses: Numbers, target_D: Float64[np.ndarray, "D"]) -> Float64[np.ndarray, "D"]:
        """The shares of the next round, after rounds with these shares and losses; `target_D` is 1 for targets."""
        ...


class _Facts(msgspec.Struct, forbid_unknown_fields=True):
    rounds: int


class Actor(nn.Module):
    """From what each domain has shown to its share."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Sequential(nn.Linear(FEATURES, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU())
        last = nn.Linear(WIDTH, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.say = nn.Sequential(nn.Linear(2 * WIDTH, WIDTH), nn.ReLU(), last)

    def forward(self, x_NDF: Float[Tensor, "N D F"]) -> Float[Tensor, "N D"]:
        """a(t)."""
        h_NDW = self.read(x_NDF)
        all_NDW = h_NDW.mean(-2, keepdim=True).expand_as(h_NDW)
        return self.say(torch.cat([h_NDW, all_NDW], -1)).squeeze(-1).softmax(-1)


@dataclass(frozen=True)
class MixingAgent:
    """An actor, and how many rounds the runs had that it was fitted on."""

    actor: Actor
    rounds: int

    def shares(self, shares: Numbers, losses: Numbers, target_D: Float64[np.ndarray, "D"]) -> Float64[np.ndarray, "D"]:
        """The shares of the next round, after rounds with these shares and losses."""
        x_DF = features(shares, losses, target_D, self.rounds)
        with torch.no_grad():
            share_ND = self.actor(torch.from_numpy(x_DF[None]).float()).double()
        return (share_ND[0] / share_ND[0].sum()).numpy()

    def save(self, directory: Path) -> None:
        """Write a directory that `load` reads."""
        from safetensors.torch import save_file

        directory.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in self.actor.state_dict().items()}, directory / TENSORS)
        (directory / FACTS).write_bytes(msgspec.json.encode(_Facts(self.rounds)) + b"\n")

    @classmethod
    def load(cls, place: str) -> "MixingAgent":
        """Read the run or directory of one.

        Raises:
            SteelyardError: there is none, or it is damaged.
        """
        found = next((p for p in (Path(place), Path(place, PRODUCT)) if (p / TENSORS).is_file()), None)
        if found is None:
            raise SteelyardError("there is no mixing agent", where=place, hint=HINT)
        actor = new_actor(0)
        with file_errors("is no mixing agent", where=str(found), hint=HINT):
            facts = msgspec.json.decode((found / FACTS).read_bytes(), type=_Facts)
            actor.load_state_dict(read_tensors(found / TENSORS))
        return cls(actor, facts.rounds)


def new_actor(seed: int) -> Actor:
    """One that has learned nothing; torch's own generator stays as it is."""
    return seeded(seed, Actor)


def seeded(seed: int, make: Any) -> Any:
    """What `make` makes with torch's generator at a seed, which it leaves as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def fallen(losses: Numbers) -> Float64[np.ndarray, "E D"]:
    """f of each domain, at every measurement."""
    loss_ED = np.array(losses, np.float64)
    return (loss_ED[0] - loss_ED) / np.maximum(np.abs(loss_ED[0]), FLOOR)


def side_means(value_D: Float64[np.ndarray, "D"], target_D: Float64[np.ndarray, "D"]) -> tuple[float, float]:
    """The mean over targets and that over sources; where there are none, that of the other side."""
    every = float(value_D.mean())
    target, source = (float(value_D[side].mean()) if side.any() else every for side in (target_D > 0, target_D == 0))
    return target, source


def scores(losses: Numbers, target_D: Float64[np.ndarray, "D"]) -> Float64[np.ndarray, "E"]:
    """S at every measurement."""
    return np.array([np.mean(side_means(f_D, target_D)) for f_D in fallen(losses)])


def features(
    shares: Numbers, losses: Numbers, target_D: Float64[np.ndarray, "D"], rounds: int
) -> Float64[np.ndarray, "D F"]:
    """x of each domain, after as many rounds as there are shares."""
    number = len(target_D)
    f_ED = fallen(losses) if len(losses) else np.zeros((1, number))
    f_ED = np.concatenate([np.zeros((WINDOW, number)), f_ED])[-WINDOW:][::-1]
    a_ED = np.concatenate([np.ones((WINDOW, number)), number * np.array(shares).reshape(-1, number)])[-WINDOW:][::-1]
    told_D = np.ones(number)
    target, source = side_means(f_ED[0], target_D)
    time = min(len(shares) / rounds, 1.0)
    return np.stack([target_D, time * told_D, target * told_D, source * told_D, *f_ED, *a_ED], -1)
