"""Learning a controller from episodes that were played before, as a policy that is told what future to bring about.

    L = mean_t [ sum_z q(z|t) ( -log pi(a_t|s_t, z) + (V(s_t, z) - R_t)^2 ) - sum_z sg(q(z|t)) log p(z|s_t) ]
        + what q needs

t is a step of the data, s_t, a_t and R_t its observation, action and return to come, q(z|t) how a step's future is read
as one of K latents, pi, V and p as in `control.latent_policy`. Learners differ in q alone: fixed, or learned.
Returns are scaled to spread 1.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from steelyard.control.episodes import random_controller
from steelyard.control.latent_policy import BestPromise, LatentPolicy
from steelyard.control.learning import SteppedLearner
from steelyard.control.offline import Offline, PlayedEpisode, Sizes, collect, offline_of, sizes_of
from steelyard.control.system import System
from steelyard.core import Positive, PositiveInt, ShareAboveZero, checked, derive, rng
from steelyard.core.json import JsonObject
from steelyard.learner.fitting import Fitting

S = TypeVar("S")
PLAYED = 512
"""Episodes at random that are learned from where a system is given and no data are."""
FASTER = 4.0
"""How much faster those parts of a reading learn that work against it."""


class Reading(nn.Module, ABC):
    """How the future of a step is read as a latent. `rivals`, where there are any, learn faster."""

    def __init__(self) -> None:
        super().__init__()
        self.rivals: nn.ModuleDict | None = None

    def fit(self, data: Offline) -> None:
        """Take from scaled data what is fixed."""

    @abstractmethod
    def forward(
        self, data: Offline, t_B: Int64[Tensor, "B"], draws: np.random.Generator
    ) -> tuple[Float[Tensor, "B K"], Tensor]:
        """q(z|t) of some steps of scaled data, and what is added to the loss, a scalar."""

    def measured(self, data: Offline, draws: np.random.Generator) -> JsonObject:
        """What else there is to say of it on held-out steps."""
        return {}


class _Both(nn.Module):
    def __init__(self, policy: LatentPolicy, reading: Reading) -> None:
        super().__init__()
        self.policy = policy
        self.reading = reading


@checked()
@dataclass(frozen=True)
class OfflineLearner(SteppedLearner, ABC):
    """What learners from played episodes have in common."""

    steps: PositiveInt = 1500
    """Gradient steps; --max-steps, where it is given, goes before."""
    batch_size: PositiveInt = 128
    """Steps of the data in a gradient step."""
    learning_rate: Positive = 3e-3
    """Of Adam, constant."""
    width: PositiveInt = 64
    """Of the networks' hidden layers."""
    discount: ShareAboveZero = 0.95
    """What a reward one step later counts. Below 1 the shorter of two sure ways promises more: who chooses anew at each
    step could put the longer one off for ever."""

    @property
    @abstractmethod
    def latents(self) -> int:
        """K."""

    @property
    def choices(self) -> int:
        """Draws of p(z|s) among which the best promise is taken."""
        return 100

    @abstractmethod
    def reading(self, sizes: Sizes) -> Reading:
        """How futures are read; its weights are drawn from torch's global generator."""

    def kept(self, episodes: list[PlayedEpisode]) -> list[PlayedEpisode]:
        """The episodes that are learned from."""
        return episodes

    def networks(self, sizes: Sizes, seed: int) -> "_Both":
        """All networks, before the first step."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "offline", "weights") % 2**63)
            return _Both(LatentPolicy(sizes, self.latents, self.width), self.reading(sizes))

    def learn(
        self, episodes: list[PlayedEpisode], sizes: Sizes, *, seed: int, steps: int | None = None
    ) -> "OfflineLearning":
        """The learning from some episodes, before its first step."""
        both = self.networks(sizes, seed)
        data = offline_of(self.kept(episodes), self.discount)
        both.policy.fit_scales(data)
        scaled = both.policy.scaled(data)
        both.reading.fit(scaled)
        return OfflineLearning(self, both, scaled, seed, steps or self.steps)

    def begin(self, system: System[S], *, seed: int, updates: int | None = None) -> "OfflineLearning":
        """The learning from episodes that are played at random."""
        episodes = collect(system, random_controller(system), PLAYED, seed=seed)
        return self.learn(episodes, sizes_of(system), seed=seed, steps=updates)


class OfflineLearning:
    """A `Learning`.

    Args:
        settings: the method's.
        both: its networks.
        data: the steps that are learned from, scaled.
        seed: of all draws.
        num_updates: gradient steps to make in all.
    """

    def __init__(self, settings: OfflineLearner, both: _Both, data: Offline, seed: int, num_updates: int) -> None:
        self.policy = both.policy
        self.reading = both.reading
        self.data = data
        self.discount = settings.discount
        self._batch = settings.batch_size
        self._choices = settings.choices
        self._draws = rng(seed, "offline", "batches")
        fast = [] if both.reading.rivals is None else list(both.reading.rivals.parameters())
        quick = {id(p) for p in fast}
        groups: list[dict[str, Any]] = [{"params": [p for p in both.parameters() if id(p) not in quick]}]
        if fast:
            groups.append({"params": fast, "lr": FASTER * settings.learning_rate})
        adam = torch.optim.Adam(groups, lr=settings.learning_rate)
        self.fitting = Fitting(both, adam, self._loss, self._draws, num_updates)

    @property
    def updates(self) -> int:
        """Gradient steps that are made."""
        return self.fitting.steps

    @property
    def num_updates(self) -> int:
        """Gradient steps to make in all."""
        return self.fitting.num_steps

    @property
    def controller(self) -> BestPromise:
        """What has been learned so far."""
        return BestPromise(self.policy, self._choices)

    def step(self) -> JsonObject:
        """Make one gradient step; returns the loss before it."""
        return {"learner/loss": self.fitting.step()}

    def save(self, directory: Path) -> None:
        """Write all that `restore` needs."""
        self.fitting.save(directory)

    def restore(self, directory: Path) -> None:
        """Go on from what `save` wrote."""
        self.fitting.restore(directory)

    @torch.no_grad()
    def measure(self, episodes: list[PlayedEpisode], seed: int) -> JsonObject:
        """How well held-out episodes are explained, and what the controller promises at their beginnings."""
        plain = offline_of(episodes, self.discount)
        data = self.policy.scaled(plain)
        draws = rng(seed, "offline", "measure")
        every_N = torch.arange(len(data.reward_N))
        q_NK, _ = self.reading(data, every_N, draws)
        nll_N, error_N, _ = _terms(self.policy, data, every_N, q_NK)
        promised = [self.controller.promised(seen, draws) for seen in plain.seen_NO[plain.firsts].numpy()]
        return {
            "eval/action_nll": float(nll_N.mean()),
            "eval/return_error": float(error_N.mean()),
            "eval/promised": float(np.mean(promised)),
            "eval/played": float(plain.return_N[plain.firsts].mean()),
            **self.reading.measured(data, draws),
        }

    def _loss(self) -> Tensor:
        t_B = torch.from_numpy(self._draws.integers(len(self.data.reward_N), size=self._batch))
        q_BK, more = self.reading(self.data, t_B, self._draws)
        nll_B, error_B, rarity_B = _terms(self.policy, self.data, t_B, q_BK)
        return (nll_B + error_B + rarity_B).mean() + more


def _terms(policy: LatentPolicy, data: Offline, t_B: Tensor, q_BK: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What actions, returns and latents cost, step by step."""
    seen_BO = data.seen_NO[t_B]
    nll_B = -(q_BK * policy.logp(seen_BO, data.action_NA[t_B])).sum(-1)
    error_B = (q_BK * (policy.promise(seen_BO) - data.return_N[t_B, None]).square()).sum(-1)
    rarity_B = -(q_BK.detach() * policy.usual(seen_BO).log_softmax(-1)).sum(-1)
    return nll_B, error_B, rarity_B
