"""CISPO: the importance ratio that weighs a step is clipped, and the step keeps its gradient.

Differs: the ratio is to the policy that sampled, in whichever version; the paper's is to the policy before the several
updates that it makes of a batch. Its dynamic sampling and its penalty on length are not here. It gives no value of
eps_high: the default of 4, a weight of at most 5, is what TRL recommends after ScaleRL (arXiv:2510.13786).

    A_j = (r_j - mean_k r_k) / (std_k r_k + 1e-4)
    w_t = clip(rho_t, 1 - eps_low, 1 + eps_high) A_j,    rho_t = pi(y_t) / mu(y_t),    no gradient
    L   = - mean over prompts of sum_j sum_t w_t log pi(y_t) / sum_j |y_j|

P prompts, G samples per prompt, T steps; mu is the policy that sampled. All tokens of a prompt weigh the same; TRL and
verl average over all tokens of a batch. The paper sets no lower bound, which is eps_low = 1 here: no ratio is below 0.
Where rho is 1 and answers are equally long it is GRPO. `unified` with stable="cut" has the same weights, averaged
answer by answer.
Source: MiniMax 2025, arXiv:2506.13585, equations 4 and 5.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, PositiveOrInf, method
from steelyard.objective.advantage import EPS, reward_of, standardised
from steelyard.objective.importance import importance_ratio, step_mean
from steelyard.objective.kernels import token_gradient


@method("cispo", paper="arXiv:2506.13585")
@dataclass(frozen=True)
class CISPO:
    """Clipped importance-sampling weights: every token of every answer keeps its gradient."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_behaviour_PGT"), least_group=2)

    clip_low: PositiveOrInf = 1.0
    """eps_low: a ratio weighs at least 1 minus this; at 1 there is no lower bound."""
    clip_high: PositiveOrInf = 4.0
    """eps_high: a ratio weighs at most 1 plus this; 1e9 never clips."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards and behaviour log-probabilities.

        Metrics: `objective/ratio` the mean rho before it is clipped, `objective/clamped` the share of tokens whose
        ratio was clipped; means over samples, then prompts.
        """
        advantage_PG = standardised(reward_of(batch), batch.valid_PG, EPS)
        ratio_PGT = importance_ratio(batch)
        weight_PGT = ratio_PGT.clamp(1 - self.clip_low, 1 + self.clip_high)
        metrics = {
            "objective/ratio": step_mean(ratio_PGT, batch),
            "objective/clamped": step_mean(weight_PGT != ratio_PGT, batch),
        }
        return token_gradient(batch, advantage_PG[..., None] * weight_PGT, metrics)
