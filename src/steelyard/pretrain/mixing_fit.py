"""The fit of a mixing agent: imitation of the best runs first, then conservative Q-learning on all of them.

Differs: the paper's text was not at hand. A third-party note confirms state, action, reward (the change of the scores)
and conservative Q-learning, and gives the agent as a small network; the warm-up on the best runs, gamma, alpha, the
rates and the sizes below are not confirmed. Q-learning is the standard one (Kumar et al. 2020) with an actor that gives
one action for a state and not a distribution, and without a library, whose agents would have a fixed number of domains.

    r_t    = (S_{t+1} - S_t) / std of S over the runs' ends
    warm   = - mean over rounds of the best runs of sum_i a_i log pi_i(s)
    critic = alpha E_s[ log mean_m exp Q(s, a_m) - Q(s, a) ] + 1/2 E[ (Q(s, a) - r - gamma Q'(s', pi(s')))^2 ]
    actor  = - E_s[ Q(s, pi(s)) ]        Q' <- (1 - tau) Q' + tau Q,  and no Q' after the last round

a_m are M actions, all but one uniform on the simplex and one the agent's own. Q reads each domain with its share by one
network and the mean of these by another, so that the order of domains does not matter. N rounds of runs, D domains.
Source: Yang et al. 2025, arXiv:2507.15640; Kumar et al. 2020, arXiv:2006.04779.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from steelyard.core import (
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Share,
    ShareAboveZero,
    checked,
    derive,
    rng,
)
from steelyard.curriculum.mixing_agent import FEATURES, WIDTH, Actor, Numbers, features, new_actor, scores, seeded
from steelyard.learner.fitting import Fitting

TINY = 1e-8
"""Least share whose logarithm is taken."""


class MixedRun(msgspec.Struct, forbid_unknown_fields=True):
    """What a short run has shown: H rounds of D domains."""

    shares: list[list[float]]
    """H rows."""
    losses: list[list[float]]
    """H + 1 rows: before the first round, and after each."""


class Rounds(NamedTuple):
    """The rounds of runs, one below the other."""

    x_NDF: Float[Tensor, "N D F"]
    share_ND: Float[Tensor, "N D"]
    reward_N: Float[Tensor, "N"]
    next_NDF: Float[Tensor, "N D F"]
    goes_on_N: Float[Tensor, "N"]
    """0 after the last round of a run, else 1."""


@checked()
@dataclass(frozen=True)
class MixingFit:
    """Settings of the fit."""

    best_share: ShareAboveZero = 0.2
    """Share of the runs that are imitated first, those with the highest score at their end."""
    warmup_steps: NonNegativeInt = 300
    """Steps of imitation."""
    q_steps: NonNegativeInt = 1500
    """Steps of conservative Q-learning after it."""
    agent_rate: Positive = 1e-3
    """Learning rate of the fit."""
    agent_batch: PositiveInt = 64
    """Rounds in a step of the fit."""
    gamma: Share = 0.99
    """Discount of later rounds."""
    conservatism: NonNegative = 0.1
    """Weight alpha of the conservative term."""
    actions: PositiveInt = 16
    """Actions that the conservative term compares with, the agent's own among them."""
    tau: ShareAboveZero = 0.01
    """Share by which the target network follows the critic in a step."""

    @property
    def steps(self) -> int:
        """Steps of both parts."""
        return self.warmup_steps + self.q_steps

    def begin(self, runs: Sequence[MixedRun], target_D: Float64[np.ndarray, "D"], seed: int) -> Fitting:
        """The fit on these runs before its first step; its module's `actor` is what it is for."""
        rounds = rounds_of(runs, target_D)
        best = best_of(runs, target_D, self.best_share)
        shown = rounds_of([runs[i] for i in best], target_D)
        module = ActorCritic(seed)
        stream = rng(seed, "mixing-agent", "fit")
        turns = self._losses(module, shown, rounds, stream)
        adam = torch.optim.Adam(module.learned(), lr=self.agent_rate)
        fitting = Fitting(module, adam, lambda: turns(fitting.steps), stream, self.steps)
        return fitting

    def _losses(
        self, module: "ActorCritic", shown: Rounds, rounds: Rounds, stream: np.random.Generator
    ) -> Callable[[int], Tensor]:
        """Number of a step -> its loss."""

        def loss(step: int) -> Tensor:
            if step < self.warmup_steps:
                return imitation(module.actor, _drawn(shown, self.agent_batch, stream))
            if step > self.warmup_steps:
                module.follow(self.tau)
            return self.q_loss(module, _drawn(rounds, self.agent_batch, stream), stream)

        return loss

    def q_loss(self, module: "ActorCritic", rounds: Rounds, stream: np.random.Generator) -> Tensor:
        """Critic and actor in one sum: neither's gradient reaches the other."""
        own_ND = module.actor(rounds.x_NDF)
        with torch.no_grad():
            later_N = module.target(rounds.next_NDF, module.actor(rounds.next_NDF))
            wanted_N = rounds.reward_N + self.gamma * rounds.goes_on_N * later_N
        q_N = module.critic(rounds.x_NDF, rounds.share_ND)
        others_MND = _uniform(stream, (self.actions - 1, *own_ND.shape))
        compared_MND = torch.cat([others_MND, own_ND.detach()[None]])
        q_MN = module.critic(rounds.x_NDF.expand(len(compared_MND), *rounds.x_NDF.shape), compared_MND)
        over_N = q_MN.logsumexp(0) - np.log(len(compared_MND)) - q_N
        critic = self.conservatism * over_N.mean() + 0.5 * (q_N - wanted_N).square().mean()
        return critic - module.judged(rounds.x_NDF, own_ND).mean()


class Critic(nn.Module):
    """Q(s, a)."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Sequential(nn.Linear(FEATURES + 1, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU())
        self.say = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))

    def forward(self, x: Float[Tensor, "*N D F"], share: Float[Tensor, "*N D"]) -> Float[Tensor, "*N"]:
        """Q of each state and action."""
        scaled = share * share.shape[-1]
        return self.say(self.read(torch.cat([x, scaled[..., None]], -1)).mean(-2)).squeeze(-1)


class ActorCritic(nn.Module):
    """The agent's network, its critic, and the critic's slow copy."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.actor: Actor = new_actor(derive(seed, "actor") % 2**31)
        self.critic: Critic = seeded(derive(seed, "critic") % 2**31, Critic)
        self.target = copy.deepcopy(self.critic).requires_grad_(False)

    def learned(self) -> Iterator[nn.Parameter]:
        """What the fit changes."""
        yield from self.actor.parameters()
        yield from self.critic.parameters()

    @torch.no_grad()
    def follow(self, tau: float) -> None:
        """The slow copy follows."""
        for slow, fast in zip(self.target.parameters(), self.critic.parameters(), strict=True):
            slow.lerp_(fast, tau)

    def judged(self, x_NDF: Float[Tensor, "N D F"], share_ND: Float[Tensor, "N D"]) -> Float[Tensor, "N"]:
        """Q of actions, with a gradient to these alone."""
        held = {name: tensor.detach() for name, tensor in self.critic.named_parameters()}
        return torch.func.functional_call(self.critic, held, (x_NDF, share_ND))


def imitation(actor: Actor, rounds: Rounds) -> Tensor:
    """The cross-entropy of the shares that were drawn and the agent's."""
    return -(rounds.share_ND * actor(rounds.x_NDF).clamp_min(TINY).log()).sum(-1).mean()


def rounds_of(runs: Sequence[MixedRun], target_D: Float64[np.ndarray, "D"]) -> Rounds:
    """The rounds of these runs; rewards in units of the spread of their ends, where there is one."""
    ends = np.array([scores(run.losses, target_D)[-1] for run in runs])
    unit = float(ends.std()) or 1.0
    x: list[np.ndarray] = []
    after: list[np.ndarray] = []
    rewards: list[np.ndarray] = []
    for run in runs:
        number = len(run.shares)
        seen = [_at(run, t, target_D) for t in range(number + 1)]
        x += seen[:-1]
        after += seen[1:]
        rewards.append(np.diff(scores(run.losses, target_D)) / unit)
    goes_on = np.concatenate([[1.0] * (len(run.shares) - 1) + [0.0] for run in runs])
    share_ND = np.array([share for run in runs for share in run.shares])
    tensors = (np.array(x), share_ND, np.concatenate(rewards), np.array(after), goes_on)
    return Rounds(*(torch.from_numpy(one).float() for one in tensors))


def best_of(runs: Sequence[MixedRun], target_D: Float64[np.ndarray, "D"], share: float) -> list[int]:
    """The places of the runs with the highest score at their end, at least one; of equal ones the first."""
    ends = np.array([scores(run.losses, target_D)[-1] for run in runs])
    number = max(1, round(share * len(runs)))
    return np.argsort(-ends, kind="stable")[:number].tolist()


def _at(run: MixedRun, t: int, target_D: Float64[np.ndarray, "D"]) -> Float64[np.ndarray, "D F"]:
    shares: Numbers = run.shares[:t]
    return features(shares, run.losses[: t + 1], target_D, len(run.shares))


def _drawn(rounds: Rounds, number: int, stream: np.random.Generator) -> Rounds:
    places = torch.from_numpy(stream.integers(len(rounds.reward_N), size=number))
    return Rounds(*(tensor[places] for tensor in rounds))


def _uniform(stream: np.random.Generator, shape: tuple[int, ...]) -> Float[Tensor, "M N D"]:
    return torch.from_numpy(stream.dirichlet(np.ones(shape[-1]), size=shape[:-1])).float()
