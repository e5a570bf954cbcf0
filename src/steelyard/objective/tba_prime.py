"""TBA': the gradient of trajectory balance as an advantage, with a clamped importance ratio at each token.

Differs: the paper's Eq. 7 has no ratio; the clamp at 8 is the authors' own account of their implementation. Theirs
divides by a constant length, which here is left to the learning rate.

    A_j = (r_j - mean_k r_k) - beta (l_j - mean_k l_k),    l_j = log pi(y_j|x) - log pi_ref(y_j|x),    no gradient
    w_t = min(pi(y_t) / mu(y_t), c) A_j
    L   = - mean over prompts of mean_j sum_t w_t log pi(y_t),    in gradient

P prompts, G samples per prompt, T steps; mu is the policy that sampled. l is a sum over actions (nats); r in reward
units. Where every ratio is 1 the gradient is 1/(2 beta) of `vargrad-tb`'s. The paper resets the reference every 50
steps and holds beta at 0.005.
Source: Bartoldson et al. 2025, arXiv:2503.18929, section 6.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, Positive, PositiveOrInf, method
from steelyard.objective.advantage import centred, shaped_reward
from steelyard.objective.importance import importance_ratio, step_mean
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import log_ratio, metric


@method("tba-prime", paper="arXiv:2503.18929")
@dataclass(frozen=True)
class TBAPrime:
    """The gradient of trajectory balance as an advantage, with a clamped importance ratio at each token."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_ref_PGT", "logp_behaviour_PGT"), least_group=2)

    beta: Positive = 0.005
    """Temperature of the KL-tilted target; larger stays nearer the reference."""
    clamp: PositiveOrInf = 8.0
    """c: the largest importance ratio of a token."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards, reference and behaviour log-probabilities.

        Metrics: `objective/kl` the mean log-ratio to the reference (nats), `objective/ratio` the mean clamped ratio of
        a token, `objective/clamped` the share of tokens whose ratio was clamped; means over samples, then prompts.
        """
        advantage_PG = centred(shaped_reward(batch, self.beta), batch.valid_PG)
        free_PGT = importance_ratio(batch)
        ratio_PGT = free_PGT.clamp(max=self.clamp)
        metrics = {
            "objective/kl": metric(log_ratio(batch), batch.valid_PG),
            "objective/ratio": step_mean(ratio_PGT, batch),
            "objective/clamped": step_mean(free_PGT > self.clamp, batch),
        }
        return policy_gradient(batch, advantage_PG[..., None] * ratio_PGT, metrics)
