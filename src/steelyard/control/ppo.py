"""PPO on a system, by stable-baselines3: the base that methods of control are compared with.

    L = mean_t min(rho A_t, clip(rho, 1 - c, 1 + c) A_t) - v (V(o_t) - R_t)^2 + e H(pi(.|o_t))

rho = pi(a_t|o_t) / pi_old(a_t|o_t), A_t by generalised advantage estimation over T steps, H the entropy (nats). Two
hidden layers of 64. Costs are not part of it: a constrained method has to do better.
Differs: every batch begins with a new episode, so that a run goes on where it was saved; the library's own ways are
kept (normalised advantages, orthogonal weights).
Source: Schulman et al. 2017, arXiv:1707.06347; library: Raffin et al. 2021, jmlr.org/papers/v22/20-1364.html.
Needs the extra: pip install 'steelyard[control]'.
"""

import importlib.util
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from msgspec import Meta

from steelyard.control.learning import SteppedLearner
from steelyard.control.system import Action, System
from steelyard.core import (
    NonNegative,
    Positive,
    PositiveInt,
    ShareBelowOne,
    derive,
    method,
    require,
)
from steelyard.core.json import JsonObject
from steelyard.core.model_files import file_errors, read_tensors
from steelyard.learner.fitting import restore_tensors, tensors_of

S = TypeVar("S")
BATCH = 64
"""Steps in one of the library's gradient steps."""
FACTS = "ppo.json"
TENSORS = "ppo.safetensors"


@method(
    "control-ppo",
    paper="arXiv:1707.06347",
    exemptions={"cli-round-trip": "its batches are whole multiples of 64 steps, and the check tries neighbours"},
)
@dataclass(frozen=True)
class ControlPPO(SteppedLearner):
    """Proximal policy optimisation with the library's defaults."""

    steps: PositiveInt = 4096
    """Steps of the system that it learns from, rounded up to whole batches."""
    learning_rate: Positive = 1e-3
    """Of Adam, constant."""
    batch_steps: Annotated[int, Meta(ge=BATCH, multiple_of=BATCH, description=f"a multiple of {BATCH}")] = 512
    """Steps between updates: at least an episode, since every batch begins with a new one."""
    clip: Positive = 0.2
    """Half-width of the interval around 1 in which the ratio may still be pushed."""
    discount: ShareBelowOne = 0.99
    """What a reward one step later counts."""
    entropy: NonNegative = 0.01
    """Weight of the entropy bonus."""

    def begin(self, system: System[S], *, seed: int, updates: int | None = None) -> "PPOLearning[S]":
        """The learning of a controller, before its first update.

        Args:
            system: what it acts on.
            seed: of the first weights and of all draws.
            updates: how many to make; None for as many as `steps` take.

        Raises:
            SteelyardError: the extra is not installed, or an episode is longer than a batch.
        """
        installed = importlib.util.find_spec("stable_baselines3") is not None
        hint = "pip install 'steelyard[control]'"
        require(installed, "stable-baselines3 is not installed", where="control", hint=hint)
        what = f"is {self.batch_steps}, and an episode has up to {system.horizon} steps"
        hint = f"use at least {-(-system.horizon // BATCH) * BATCH}"
        require(self.batch_steps >= system.horizon, what, where="--batch-steps", hint=hint)
        return PPOLearning(self, system, seed, updates or -(-self.steps // self.batch_steps))


class PPOLearning(Generic[S]):
    """PPO under way: an update learns from one batch of steps, which begins with a new episode.

    What an update does follows from the weights, the optimiser, the seed and its number: no environment need be saved.

    Args:
        settings: the method's.
        system: what is acted on.
        seed: of the first weights and of all draws.
        num_updates: updates to make in all.
    """

    def __init__(self, settings: ControlPPO, system: System[S], seed: int, num_updates: int) -> None:
        from stable_baselines3 import PPO

        from steelyard.control.gym_env import SystemEnv

        self.num_updates = num_updates
        self.updates = 0
        self._seed = seed
        self._batch_steps = settings.batch_steps
        self._continuous = system.continuous
        with _own_randomness():
            self._model = PPO(
                "MlpPolicy",
                SystemEnv(system),
                learning_rate=settings.learning_rate,
                n_steps=settings.batch_steps,
                batch_size=BATCH,
                gamma=settings.discount,
                clip_range=settings.clip,
                ent_coef=settings.entropy,
                seed=self._drawn_seed(0),
                device="cpu",
            )

    @property
    def controller(self) -> "Likeliest":
        """What has been learned so far."""
        return Likeliest(self._model.policy, continuous=self._continuous)

    def step(self) -> JsonObject:
        """Act for a batch, and learn from it; returns the loss and what finished episodes earned."""
        self.updates += 1
        with _own_randomness():
            self._model.set_random_seed(self._drawn_seed(self.updates))
            self._model.learn(self._batch_steps, log_interval=2)  # after each second batch, and there is one
        said = self._model.logger.name_to_value
        earned = [float(episode["r"]) for episode in self._model.ep_info_buffer or ()]
        found = {"learner/loss": "train/loss", "learner/kl": "train/approx_kl", "learner/entropy": "train/entropy_loss"}
        metrics: JsonObject = {name: float(said[theirs]) for name, theirs in found.items()}
        metrics["learner/entropy"] = -metrics["learner/entropy"]
        return metrics | ({"control/return": float(np.mean(earned))} if earned else {})

    def save(self, directory: Path) -> None:
        """Write all that `restore` needs."""
        from safetensors.torch import save_file

        policy = self._model.policy
        save_file(tensors_of(policy, policy.optimizer), directory / TENSORS, {"format": "pt"})
        (directory / FACTS).write_text(json.dumps({"updates": self.updates}), encoding="utf-8")

    def restore(self, directory: Path) -> None:
        """Go on from what `save` wrote.

        Raises:
            SteelyardError: it is missing, damaged, or of another system.
        """
        policy = self._model.policy
        with file_errors(
            "holds no controller of this system", where=str(directory), hint="go on from another checkpoint"
        ):
            restore_tensors(policy, policy.optimizer, read_tensors(directory / TENSORS))
            self.updates = int(json.loads((directory / FACTS).read_text(encoding="utf-8"))["updates"])

    def _drawn_seed(self, number: int) -> int:
        return derive(self._seed, "control-ppo", number) % 2**31


@contextmanager
def _own_randomness() -> Iterator[None]:
    """The library seeds the global generators and draws from them: afterwards they are as they were."""
    kept = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(kept[0])
        np.random.set_state(kept[1])
        random.setstate(kept[2])


class Likeliest:
    """Acts by the likeliest action of a stable-baselines3 policy; draws nothing."""

    def __init__(self, policy: Any, *, continuous: bool) -> None:
        self._policy = policy
        self._continuous = continuous

    def __call__(self, observation: Float[np.ndarray, "O"], draws: np.random.Generator) -> Action:
        """The action."""
        action, _ = self._policy.predict(observation, deterministic=True)
        return np.clip(action, -1.0, 1.0) if self._continuous else int(action)
