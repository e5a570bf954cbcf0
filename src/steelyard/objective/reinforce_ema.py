"""REINFORCE with a moving average of past rewards as baseline, one number for all prompts.

Differs: the average forgets exponentially and is corrected for its start at 0; in arXiv:2402.14740 it is the mean over
all steps so far, the limit of a decay of 1.

    R_j = r_j - beta (log pi(y_j|x) - log pi_ref(y_j|x)),    no gradient
    L   = - mean over prompts of mean_j (R_j - b) log pi(y_j|x)
    after each step:  m <- d m + (1 - d) mean over prompts of mean_j R_j,    w <- d w + (1 - d),    b = m / w

P prompts, G samples per prompt, T steps; d is the decay. Log-probabilities are sums over actions (nats); r and b in
reward units. b is 0 before the first step and does not move within one, so a batch may be cut between prompts. One
sample per prompt is enough: no other sample of the prompt is compared with it.
Source: Williams 1992, doi:10.1007/BF00992696; for language models Ahmadian et al. 2024, arXiv:2402.14740, section 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from steelyard.core import Batch, Loss, Needs, NonNegative, ShareBelowOne, method
from steelyard.objective.advantage import shaped_reward
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import metric


@dataclass(frozen=True)
class Baseline:
    """What ReinforceEMA remembers."""

    mean: float = 0.0
    """m: decayed sum of the steps' mean rewards."""
    weight: float = 0.0
    """w: what `mean` is divided by; from 0 before the first step towards 1."""

    @property
    def value(self) -> float:
        """b (reward units)."""
        return self.mean / self.weight if self.weight else 0.0


@method("reinforce-ema", paper="doi:10.1007/BF00992696")
@dataclass(frozen=True)
class ReinforceEMA:
    """REINFORCE with a moving average of past rewards as baseline."""

    beta: NonNegative = 0.0
    """Weight of the KL penalty inside the reward; 0 needs no reference."""
    decay: ShareBelowOne = 0.9
    """d: how much of the baseline stays at each step; 0 takes the last step's mean reward."""

    @property
    def needs(self) -> Needs:
        """Rewards, and the reference where beta is not 0."""
        return Needs(fields=("reward_PG", "logp_ref_PGT") if self.beta else ("reward_PG",), on_policy=True)

    def init(self) -> Baseline:
        """No baseline yet."""
        return Baseline()

    def __call__(self, batch: Batch, state: Baseline | None = None) -> Loss:
        """The loss; metrics `objective/shaped_reward` the mean of R, `objective/baseline` b (reward units)."""
        baseline = (self.init() if state is None else state).value
        reward_PG = shaped_reward(batch, self.beta)
        mean = metric(reward_PG, batch.valid_PG)
        advantage_PG = (reward_PG - baseline).where(batch.valid_PG, 0.0)
        metrics = {"objective/shaped_reward": mean, "objective/baseline": baseline}
        loss = policy_gradient(batch, advantage_PG[..., None].expand_as(batch.logp_PGT), metrics)
        return Loss(loss.value, loss.weight, metrics, {"reward": mean})

    def update(self, state: Baseline, stats: Mapping[str, float]) -> Baseline:
        """The baseline after a step whose mean shaped reward is `stats["reward"]`."""
        fresh = 1 - self.decay
        return Baseline(self.decay * state.mean + fresh * stats["reward"], self.decay * state.weight + fresh)
