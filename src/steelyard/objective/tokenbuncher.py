"""TokenBuncher: a model is made certain of its answers, so that RL by somebody else has nothing to tell apart.

Differs: the noise over other tokens is its expectation, which is even, where the authors' code draws it anew for each
token; the gradient is the same in expectation. As in their code, and unlike their figure of jointly optimised losses,
every second step is a noise step, and the noise weighs eps twice. Entropy is the current policy's, theirs is the
sampling policy's: the same on fresh data. Policy steps average as our GRPO does (a sequence's mean over tokens, then
over prompts), and std is the population's.

    R_j    = - mean_t H_t - beta (log mu(y_j) - log pi_ref(y_j));      A_j = (R_j - mean_k R_k) / (std_k R_k + 1e-4)
    policy step:   L = - mean over prompts of mean_j mean_t min(rho A_j, clip(rho) A_j),      in gradient
    noise step:    L = mean over the tokens of samples with A_j >= 0 of
                       - (1 - eps) log pi(y_t) - eps^2 mean over v != y_t of log pi(v)

P prompts, G samples per prompt, T steps; H_t is the entropy that y_t was drawn under (nats), mu the behaviour policy,
rho = pi(y_t) / mu(y_t). Step k, counted from 1, is a noise step where k is even and at least `warmup`. Rewards of the
task are not read. eps = 0 imitates without noise; with `warmup` out of reach, entropy alone is rewarded.
Source: Feng et al. 2025, arXiv:2508.20697, and the authors' code, github.com/Georgefwt/Token-Buncher.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, NonNegative, PositiveInt, PositiveOrInf, ShareBelowOne, method
from steelyard.objective.advantage import standardised
from steelyard.objective.clipping import clipped_advantage
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import mean_steps, metric, steps_of, sum_steps

STD_FLOOR = 1e-4
"""Added to the standard deviation of a group's rewards."""


@dataclass(frozen=True)
class Steps:
    """What TokenBuncher remembers."""

    made: int = 0
    """Steps so far."""


@method(
    "tokenbuncher",
    paper="arXiv:2508.20697",
    claim="After it, RL by an attacker at equal budget brings little harm, and benign ability stays.",
)
@dataclass(frozen=True)
class TokenBuncher:
    """Negative entropy as the reward, and imitation under noise at every second step."""

    eps: ShareBelowOne = 0.1
    """Weight of the noise, which counts eps times eps; 0 adds none."""
    warmup: PositiveInt = 25
    """The first step that may be a noise step."""
    beta: NonNegative = 0.001
    """Weight of the KL penalty inside the reward; 0 needs no reference."""
    clip: PositiveOrInf = 0.2
    """Half-width of the interval around 1 in which the importance ratio may still be pushed; 1e9 never clips."""

    @property
    def needs(self) -> Needs:
        """Entropies, the other tokens' log-probabilities, and the reference where beta is not 0."""
        reference = ("logp_ref_PGT",) if self.beta else ()
        return Needs(fields=("logp_behaviour_PGT", *reference), entropy=True, others=True, least_group=2)

    def init(self) -> Steps:
        """No step yet."""
        return Steps()

    def __call__(self, batch: Batch, state: Steps | None = None) -> Loss:
        """The loss of a policy or a noise step.

        Metrics: `objective/entropy` (nats a token) and `objective/noise_step`, which is 0 or 1.
        """
        number = (self.init() if state is None else state).made + 1
        noised = number >= self.warmup and number % 2 == 0
        entropy_PG = mean_steps(batch.field("entropy_PGT").detach(), batch)
        advantage_PG = standardised(self._reward(batch, entropy_PG), batch.valid_PG, STD_FLOOR)
        found = {
            "objective/entropy": metric(entropy_PG, batch.valid_PG),
            "objective/noise_step": float(noised),
        }
        loss = self._noise_step(batch, advantage_PG) if noised else self._policy_step(batch, advantage_PG)
        return Loss(loss.value, loss.weight, found)

    def update(self, state: Steps, stats: Mapping[str, float]) -> Steps:
        """One step more."""
        return Steps(state.made + 1)

    def _reward(self, batch: Batch, entropy_PG: Float[Tensor, "P G"]) -> Float[Tensor, "P G"]:
        """R of each sample."""
        if self.beta == 0:
            return -entropy_PG
        gap_PGT = (batch.field("logp_behaviour_PGT") - batch.field("logp_ref_PGT")).detach()
        return -entropy_PG - self.beta * sum_steps(gap_PGT, batch)

    def _policy_step(self, batch: Batch, advantage_PG: Float[Tensor, "P G"]) -> Loss:
        weight_PGT, _ = clipped_advantage(batch, advantage_PG, self.clip)
        length_PG1 = steps_of(batch).sum(-1, keepdim=True).clamp(min=1)
        return policy_gradient(batch, weight_PGT / length_PG1)

    def _noise_step(self, batch: Batch, advantage_PG: Float[Tensor, "P G"]) -> Loss:
        kept_PGT = steps_of(batch) & (advantage_PG >= 0)[..., None]
        number = float(kept_PGT.sum())
        chosen = batch.logp_PGT.where(kept_PGT, 0.0).sum()
        others = batch.field("others_logp_PGT").where(kept_PGT, 0.0).sum()
        total = (1 - self.eps) * chosen + self.eps**2 * others
        return Loss(-total / (number or 1.0), number)
