"""A system as a gymnasium environment, for the field's libraries and wrappers. Needs the extra `control`."""

from typing import Any, Generic, TypeVar

import gymnasium
import numpy as np

from steelyard.control.system import System

S = TypeVar("S")


class SystemEnv(gymnasium.Env[np.ndarray, Any], Generic[S]):
    """A system with a present state; `info["cost"]` is the step's cost.

    An episode that reaches the horizon is truncated, one that ends by itself is terminated.
    """

    def __init__(self, system: System[S]) -> None:
        self.system = system
        high = np.full(system.observation_size, np.inf, np.float32)
        self.observation_space = gymnasium.spaces.Box(-high, high, dtype=np.float32)
        if system.continuous:
            self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (system.num_actions,), dtype=np.float32)
        else:
            self.action_space = gymnasium.spaces.Discrete(system.num_actions)
        self._state: S | None = None
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """A first observation."""
        super().reset(seed=seed)
        self._state = self.system.reset(self.np_random)
        self._steps = 0
        return self.system.observe(self._state), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """The observation that follows, its reward, whether it ended or was cut off, and its cost."""
        if self._state is None:
            raise gymnasium.error.ResetNeeded("reset comes before the first step")
        taken = np.asarray(action, np.float32) if self.system.continuous else int(action)
        step = self.system.step(self._state, taken, self.np_random)
        self._state = step.state
        self._steps += 1
        cut = self._steps >= self.system.horizon and not step.done
        return self.system.observe(step.state), step.reward, step.done, cut, {"cost": step.cost}
