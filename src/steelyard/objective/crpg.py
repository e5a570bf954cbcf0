"""CRPG, calibrated and regularised policy gradient: a violation is worth 0, and so is a sample that drifted too far.

Differs: the baseline is the mean over the prompt's own samples, where the source takes the mean over the batch. A batch
may then be cut between prompts; the price is that a prompt whose samples all violate teaches nothing. The loss is a sum
over steps, averaged over samples and prompts, where the code that was read divides by the number of tokens.

    d_j = log pi(y_j|x) - log pi_ref(y_j|x),    no gradient
    R_j = J_j c_j max(0, 1 - d_j / d_max)
    L   = - mean over prompts of mean_j (R_j - mean_k R_k) log pi(y_j|x)

P prompts, G samples per prompt, T steps. Log-probabilities are sums over actions (nats). J_j is 1 where every judge
passes y_j, else 0. c_j is the reward; a violation is worth 0, so it should not be negative: `Constrained` calibrates it
to (0, 1). Demonstrations are left out. Where all pass and d_max is infinite, it is REINFORCE with centred rewards.
Source: Xu et al. 2024, arXiv:2409.20370; equations read in code that cites them. Our reading: d_max is 20 nats.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, PositiveOrInf, method
from steelyard.objective.advantage import centred, reward_of
from steelyard.objective.judged import judged_metrics, samples_of
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import log_ratio


@method(
    "crpg",
    paper="arXiv:2409.20370",
    claim="Policy gradient under judges, without the reward hacking of PPO.",
)
@dataclass(frozen=True)
class CRPG:
    """Policy gradient on rewards that are 0 where a constraint is violated or the drift is too large."""

    needs: ClassVar[Needs] = Needs(
        fields=("reward_PG", "logp_ref_PGT"), labels=("passes", "demonstration"), on_policy=True, least_group=2
    )

    max_kl: PositiveOrInf = 20.0
    """d_max: the log-ratio to the reference (nats) from which on a sample is worth nothing; inf does not look at it."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards, verdicts and reference log-probabilities.

        Metrics: `objective/passing` the share of samples that pass, `objective/kl` the mean log-ratio (nats).
        """
        batch = batch.replace(valid_PG=samples_of(batch))
        room_PG = (1 - log_ratio(batch).detach() / self.max_kl).clamp(min=0)
        worth_PG = (reward_of(batch) * room_PG).where(batch.label("passes"), 0.0)
        advantage_PG = centred(worth_PG, batch.valid_PG)
        metrics = judged_metrics(batch, batch.valid_PG)
        return policy_gradient(batch, advantage_PG[..., None].expand_as(batch.logp_PGT), metrics)
