"""An environment of gymnasium as a system, by its id: for whatever takes a system. Needs the extra `control`.

A state is a copy of the environment, and its randomness is the generator that a step is handed: so a step can be asked
"what if", like that of any system. A copy costs between .1 and 1 ms. Observations are flattened; numbers of an action
go from -1 to 1 and are scaled to the environment's limits. A cost is what the environment says in `info["cost"]`.
"""

import copy
import importlib.util
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from steelyard.control.system import Action, Step
from steelyard.core import SteelyardError, first_line, require

if TYPE_CHECKING:
    import gymnasium

_HINT = "name a registered id, such as CartPole-v1"


@dataclass(frozen=True)
class Copied:
    """An environment with a past, and what it showed last."""

    env: Any
    seen: Any


@dataclass(frozen=True)
class GymSystem:
    """An environment by its id."""

    env: str
    """Such as CartPole-v1; module:id imports the module first."""
    settings: str = "{}"
    """What gymnasium.make is given besides, as JSON: '{"max_episode_steps": 100}'."""

    @cached_property
    def made(self) -> "gymnasium.Env[Any, Any]":
        """The environment before its first episode.

        Raises:
            SteelyardError: the extra is not installed, there is no such environment, or it does not fit.
        """
        installed = importlib.util.find_spec("gymnasium") is not None
        require(installed, "gymnasium is not installed", where="control", hint="pip install 'steelyard[control]'")
        require(bool(self.env), "is missing", where="--env", hint=_HINT)
        import gymnasium

        try:
            asked = json.loads(self.settings)
            made = gymnasium.make(self.env, disable_env_checker=True, **asked)
        except (gymnasium.error.Error, ImportError, ValueError, TypeError) as error:
            what = f"{self.env} cannot be made ({first_line(error)})"
            raise SteelyardError(what, where="--env", hint=_HINT) from error
        _check(made, self.env)
        return made

    @property
    def horizon(self) -> int:
        """The environment's limit of steps."""
        spec = self.made.spec
        assert spec is not None and spec.max_episode_steps is not None
        return spec.max_episode_steps

    @property
    def observation_size(self) -> int:
        """Numbers of a flattened observation."""
        from gymnasium.spaces import flatdim

        return flatdim(self.made.observation_space)

    @property
    def num_actions(self) -> int:
        """Choices, or numbers of an action."""
        space: Any = self.made.action_space
        return int(np.prod(space.shape)) if self.continuous else int(space.n)

    @property
    def continuous(self) -> bool:
        """Whether an action is numbers."""
        return hasattr(self.made.action_space, "low")

    def reset(self, draws: np.random.Generator) -> Copied:
        """A first state."""
        env = _copied(self.made, draws)
        seen, _ = env.reset()
        return _kept(env, seen)

    def step(self, state: Copied, action: Action, draws: np.random.Generator) -> Step[Copied]:
        """The environment's step, on a copy of it. An end that it calls a cut, before the horizon, is an end, too."""
        env = _copied(state.env, draws)
        seen, reward, ended, cut, info = env.step(self._own(action))
        return Step(_kept(env, seen), float(reward), float(info.get("cost", 0.0)), bool(ended or cut))

    def observe(self, state: Copied) -> Float[np.ndarray, "O"]:
        """The observation, flattened."""
        from gymnasium.spaces import flatten

        return np.asarray(flatten(self.made.observation_space, state.seen), np.float32)

    def _own(self, action: Action) -> Any:
        space: Any = self.made.action_space
        if not self.continuous:
            return int(action) + int(space.start)
        share = (np.clip(np.asarray(action, np.float64).reshape(space.shape), -1.0, 1.0) + 1) / 2
        return (space.low + share * (space.high - space.low)).astype(space.dtype)


def _check(made: "gymnasium.Env[Any, Any]", name: str) -> None:
    from gymnasium.spaces import Box, Discrete

    limit = made.spec.max_episode_steps if made.spec is not None else None
    hint = "give --env-settings '{\"max_episode_steps\": 200}'"
    require(limit is not None, f"{name} has no limit of steps", where="--env", hint=hint)
    space = made.action_space
    bounded = isinstance(space, Box) and bool(np.isfinite(space.low).all() and np.isfinite(space.high).all())
    what = f"{name} takes actions of {space}"
    fits = bounded or isinstance(space, Discrete)
    require(fits, what, where="--env", hint="name one that takes a choice, or numbers with limits")
    require(
        made.observation_space.is_np_flattenable, f"{name} shows {made.observation_space}", where="--env", hint=_HINT
    )


def _copied(env: Any, draws: np.random.Generator) -> Any:
    """A copy that draws from `draws` alone."""
    env = copy.deepcopy(env)
    env.unwrapped.np_random = draws
    return env


def _kept(env: Any, seen: Any) -> Copied:
    """The environment without its generator, which is the caller's."""
    env.unwrapped._np_random = None
    return Copied(env, seen)
