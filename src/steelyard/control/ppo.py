"""PPO on a system, by stable-baselines3: the base that methods of control are compared with.

    L = mean_t min(rho A_t, clip(rho, 1 - c, 1 + c) A_t) - v (V(o_t) - R_t)^2 + e H(pi(.|o_t))

rho = pi(a_t|o_t) / pi_old(a_t|o_t), A_t by generalised advantage estimation over T steps, H the entropy (nats). Two
hidden layers of 64. Costs are not part of it: a constrained method has to do better.
Differs: nothing of ours; the library's, whose own ways are kept (normalised advantages, orthogonal weights).
Source: Schulman et al. 2017, arXiv:1707.06347; library: Raffin et al. 2021, jmlr.org/papers/v22/20-1364.html.
Needs the extra: pip install 'steelyard[control]'.
"""

import importlib.util
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float

from steelyard.control.system import Action, Controller, System
from steelyard.core import NonNegative, Positive, PositiveInt, ShareBelowOne, checked, require

S = TypeVar("S")


@checked("control-ppo")
@dataclass(frozen=True)
class ControlPPO:
    """Proximal policy optimisation with the library's defaults."""

    steps: PositiveInt = 4096
    """Steps of the system that it learns from, rounded up to whole batches."""
    learning_rate: Positive = 1e-3
    """Of Adam, constant."""
    batch_steps: PositiveInt = 512
    """Steps between updates."""
    clip: Positive = 0.2
    """Half-width of the interval around 1 in which the ratio may still be pushed."""
    discount: ShareBelowOne = 0.99
    """What a reward one step later counts."""
    entropy: NonNegative = 0.01
    """Weight of the entropy bonus."""

    def fit(self, system: System[S], *, seed: int) -> Controller:
        """Learn a controller; it acts by its likeliest action.

        Raises:
            SteelyardError: the extra is not installed.
        """
        installed = importlib.util.find_spec("stable_baselines3") is not None
        hint = "pip install 'steelyard[control]'"
        require(installed, "stable-baselines3 is not installed", where="control", hint=hint)
        from stable_baselines3 import PPO

        from steelyard.control.gym_env import SystemEnv

        state = torch.get_rng_state(), np.random.get_state()
        try:
            model = PPO(
                "MlpPolicy",
                SystemEnv(system),
                learning_rate=self.learning_rate,
                n_steps=self.batch_steps,
                batch_size=64,
                gamma=self.discount,
                clip_range=self.clip,
                ent_coef=self.entropy,
                seed=seed,
                device="cpu",
            )
            model.learn(self.steps)
        finally:  # the library seeds and draws from the global generators
            torch.set_rng_state(state[0])
            np.random.set_state(state[1])
        return Likeliest(model.policy, continuous=system.continuous)


class Likeliest:
    """Acts by the likeliest action of a stable-baselines3 policy; draws nothing."""

    def __init__(self, policy: Any, *, continuous: bool) -> None:
        self._policy = policy
        self._continuous = continuous

    def __call__(self, observation: Float[np.ndarray, "O"], draws: np.random.Generator) -> Action:
        """The action."""
        action, _ = self._policy.predict(observation, deterministic=True)
        return np.clip(action, -1.0, 1.0) if self._continuous else int(action)
