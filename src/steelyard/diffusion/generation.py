"""Generation by denoising steps, each with its log-probability.

    x_{t-1} ~ N(mu(x_t, t, c), beta_t I),
    mu = (x_t - beta_t / sqrt(1 - abar_t) eps(x_t, t, c)) / sqrt(1 - beta_t)
    log pi(x_{t-1} | x_t) = -|x_{t-1} - mu|^2 / (2 beta_t) - X/2 log(2 pi beta_t)

N rows, X numbers, T denoising steps, the noisiest first: step 0 of a path is t = T. Every step draws, the last one too,
so that each has a density and an objective can learn from it.
Sources: Ho et al. 2020, arXiv:2006.11239; as a policy, Black et al. 2023, arXiv:2305.13301.
Differs: the last step draws with variance beta_1, where samplers often leave its noise out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from steelyard.core import Batch, derive
from steelyard.diffusion.schedule import NoiseSchedule


@runtime_checkable
class NoisePredictor(Protocol):
    """Predicts the noise in noised rows: a network, or the exact answer where there is one."""

    def __call__(
        self, noisy_NX: Float[Tensor, "N X"], place_N: Int64[Tensor, "N"], label_N: Int64[Tensor, "N"]
    ) -> Float[Tensor, "N X"]:
        """The noise of each row, at its place in the schedule (0 is t = 1), for its class."""
        ...


@dataclass(frozen=True)
class Path:
    """How N rows were generated."""

    state_NSX: Float[Tensor, "N S X"]
    """x_T, ..., x_0: S = T + 1 states."""
    label_N: Int64[Tensor, "N"]
    logp_NT: Float[Tensor, "N T"]
    """Log-probability of each step under the model that took it (nats)."""

    @property
    def data_NX(self) -> Float[Tensor, "N X"]:
        """x_0."""
        return self.state_NSX[:, -1]


@dataclass(frozen=True)
class Diffusion:
    """A noise predictor with its schedule."""

    predictor: NoisePredictor
    schedule: NoiseSchedule
    size: int
    """X."""

    @property
    def places(self) -> tuple[int, ...]:
        """The places of the schedule at which it denoises."""
        return tuple(range(self.schedule.steps))

    def rows(self, label_N: Int64[Tensor, "N"], *, seed: int) -> Float[Tensor, "N X"]:
        """A generated row for each class; equal seeds give equal rows."""
        return self.sample(label_N, seed=seed).data_NX

    def sample(self, label_N: Int64[Tensor, "N"], *, seed: int) -> Path:
        """Generate a row for each class; equal seeds give equal rows."""
        draws = torch.Generator().manual_seed(derive(seed, "diffusion"))
        state_NX = torch.randn(len(label_N), self.size, generator=draws)
        states = [state_NX]
        logps: list[Tensor] = []
        with torch.no_grad():
            for place in reversed(range(self.schedule.steps)):
                mean_NX = self._mean(state_NX, torch.full_like(label_N, place), label_N)
                spread = self.schedule.beta_T[place].sqrt()
                state_NX = mean_NX + spread * torch.randn(state_NX.shape, generator=draws)
                states.append(state_NX)
                logps.append(_logp(state_NX, mean_NX, self.schedule.beta_T[place][None]))
        return Path(torch.stack(states, 1), label_N, torch.stack(logps, 1))

    def step_logp(self, path: Path) -> Float[Tensor, "N T"]:
        """Log-probability of each step of a path under this model (nats); it carries the gradient."""
        N, S, X = path.state_NSX.shape
        place_NT = torch.arange(S - 2, -1, -1).expand(N, -1)
        before_MX, after_MX = (part.reshape(-1, X) for part in (path.state_NSX[:, :-1], path.state_NSX[:, 1:]))
        label_M = path.label_N[:, None].expand(-1, S - 1).reshape(-1)
        mean_MX = self._mean(before_MX, place_NT.reshape(-1), label_M)
        return _logp(after_MX, mean_MX, self.schedule.beta_T[place_NT.reshape(-1)]).reshape(N, S - 1)

    def _mean(self, state_NX: Tensor, place_N: Tensor, label_N: Tensor) -> Tensor:
        beta_N1 = self.schedule.beta_T[place_N][:, None]
        bar_N1 = self.schedule.bar_T[place_N][:, None]
        noise_NX = self.predictor(state_NX, place_N, label_N)
        return (state_NX - beta_N1 / (1 - bar_N1).sqrt() * noise_NX) / (1 - beta_N1).sqrt()


def _logp(state_NX: Tensor, mean_NX: Tensor, variance_N: Tensor) -> Tensor:
    off_N = (state_NX - mean_NX).square().sum(1)
    return -off_N / (2 * variance_N) - state_NX.shape[1] / 2 * (2 * torch.pi * variance_N).log()


def batch_of(model: Diffusion, paths: Sequence[Path], reward_PG: Float[Tensor, "P G"]) -> Batch:
    """What an objective sees of groups of paths: P groups, G paths of a group, T denoising steps.

    Args:
        model: what is trained; its log-probabilities carry the gradient.
        paths: one group each, all of one size.
        reward_PG: the reward of each path.
    """
    logp_PGT = torch.stack([model.step_logp(path) for path in paths])
    action_PGT: Bool[Tensor, "P G T"] = torch.ones_like(logp_PGT, dtype=torch.bool)
    return Batch(
        logp_PGT=logp_PGT,
        action_PGT=action_PGT,
        valid_PG=torch.ones(logp_PGT.shape[:2], dtype=torch.bool),
        reward_PG=reward_PG,
        logp_behaviour_PGT=torch.stack([path.logp_NT for path in paths]),
    )
