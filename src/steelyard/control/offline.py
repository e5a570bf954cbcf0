"""Episodes that were played before, as steps in a row: what a controller is learned from without acting.

    R_t = sum_{k >= t} discount^(k - t) r_k, the return that is still to come at step t

N steps of all episodes, one episode after another; O numbers of an observation. An action is A numbers: a choice is 1
in one of them and 0 in the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from steelyard.control.system import Action, Controller, System
from steelyard.core import require, rng

S = TypeVar("S")


class Sizes(NamedTuple):
    """What a controller sees and does."""

    observation: int
    """Numbers of an observation."""
    actions: int
    """Choices, or numbers of an action."""
    continuous: bool
    """Whether an action is numbers from -1 to 1."""


class PlayedEpisode(NamedTuple):
    """One episode of L steps."""

    seen: Float[np.ndarray, "L+1 O"]
    """What was seen before each step, and after the last one."""
    actions: Float[np.ndarray, "L A"]
    """What was done."""
    rewards: Float[np.ndarray, "L"]
    """What it paid."""


@dataclass(frozen=True)
class Offline:
    """Steps of episodes."""

    seen_NO: Float[Tensor, "N O"]
    """What was seen before a step."""
    next_NO: Float[Tensor, "N O"]
    """What was seen after it."""
    action_NA: Float[Tensor, "N A"]
    """What was done."""
    reward_N: Float[Tensor, "N"]
    """What it paid."""
    return_N: Float[Tensor, "N"]
    """What it and all later steps of the episode paid, later ones less where there is a discount."""
    last_N: Int64[Tensor, "N"]
    """The last step of the same episode."""

    @property
    def firsts(self) -> Int64[Tensor, "E"]:
        """The first step of each episode."""
        return torch.cat([torch.zeros(1, dtype=torch.int64), self.last_N.unique()[:-1] + 1])

    def scaled(self, seen_O: Float[Tensor, "O"], reward: Tensor, mean: Tensor, spread: Tensor) -> "Offline":
        """The same steps, divided by scales; returns lose their mean, too."""
        return replace(
            self,
            seen_NO=self.seen_NO / seen_O,
            next_NO=self.next_NO / seen_O,
            reward_N=self.reward_N / reward,
            return_N=(self.return_N - mean) / spread,
        )


def offline_of(episodes: Sequence[PlayedEpisode], discount: float = 1.0) -> Offline:
    """The steps of some episodes, of which there is at least one, in order."""
    lengths = np.array([len(e.rewards) for e in episodes])
    last_N = np.repeat(lengths.cumsum() - 1, lengths)
    return Offline(
        _joined([e.seen[:-1] for e in episodes]),
        _joined([e.seen[1:] for e in episodes]),
        _joined([e.actions for e in episodes]),
        _joined([e.rewards for e in episodes]),
        _joined([returns_of(e.rewards, discount) for e in episodes]),
        torch.from_numpy(last_N.astype(np.int64)),
    )


def returns_of(rewards: Sequence[float] | Float[np.ndarray, "L"], discount: float) -> Float[np.ndarray, "L"]:
    """The return that is still to come at each step of an episode."""
    found = np.zeros(len(rewards))
    later = 0.0
    for t in reversed(range(len(rewards))):
        later = float(rewards[t]) + discount * later
        found[t] = later
    return found


def _joined(parts: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts).astype(np.float32))


def sizes_of(system: System[S]) -> Sizes:
    """What a system shows and takes."""
    return Sizes(system.observation_size, system.num_actions, system.continuous)


def collect(system: System[S], controller: Controller, number: int, *, seed: int) -> list[PlayedEpisode]:
    """So many episodes of a controller; each has random numbers of its own."""
    return [_played(system, controller, rng(seed, "collect", i)) for i in range(number)]


def _played(system: System[S], controller: Controller, draws: np.random.Generator) -> PlayedEpisode:
    state = system.reset(draws)
    seen = [system.observe(state)]
    actions: list[np.ndarray] = []
    rewards: list[float] = []
    done = False
    while not done and len(rewards) < system.horizon:
        action = controller(seen[-1], draws)
        step = system.step(state, action, draws)
        state = step.state
        done = step.done
        seen.append(system.observe(state))
        actions.append(_numbers(action, sizes_of(system)))
        rewards.append(step.reward)
    return PlayedEpisode(np.stack(seen), np.stack(actions), np.array(rewards))


def _numbers(action: Action, sizes: Sizes) -> np.ndarray:
    return np.asarray(action, np.float32) if sizes.continuous else np.eye(sizes.actions, dtype=np.float32)[int(action)]


def split_episodes(
    episodes: Sequence[PlayedEpisode], share: float, *, seed: int, where: str
) -> tuple[list[PlayedEpisode], list[PlayedEpisode]]:
    """Those to learn from, and those to measure by, drawn.

    Raises:
        SteelyardError: none are on one side.
    """
    number = round(share * len(episodes))
    what = f"of {len(episodes)} episodes {number} are held out"
    hint = "give more episodes, or change --held-out-share"
    require(0 < number < len(episodes), what, where=where, hint=hint)
    held = {*rng(seed, "held-out").permutation(len(episodes))[:number].tolist()}
    return (
        [e for i, e in enumerate(episodes) if i not in held],
        [e for i, e in enumerate(episodes) if i in held],
    )
