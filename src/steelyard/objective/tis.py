"""Truncated importance sampling: each step's policy gradient, weighted by its importance ratio up to a cap.

Differs: the post's ratio is between two engines that hold the same weights, and a clipped ratio of the update stands
beside it. Here one ratio, to the policy that sampled, is for engine and lag alike; a batch is learned once, so a ratio
of the update would be 1. IMPALA weighs the advantage of a value head, this one Dr. GRPO's. The post itself was out of
reach; its equation is confirmed by TRL's, slime's and verl's accounts and code.

    A_j = r_j - mean_k r_k
    w_t = min(rho_t, C) A_j / max_length,    no gradient
    L   = - mean over prompts of mean_j sum_t w_t log pi(y_t)

    level token      rho_t = pi(y_t) / mu(y_t)
    level sequence   rho_t = pi(y|x) / mu(y|x), the same at every step

P prompts, G samples per prompt, T steps; mu is the policy that sampled. Where rho is 1 it is Dr. GRPO, and where C is
infinite plain importance sampling. Unlike a clipped step, a truncated one keeps its gradient.
Source: Yao et al. 2025, "Your efficient RL framework secretly brings you off-policy RL training"
(fengyao.notion.site/off-policy-rl); the truncated weight of a policy gradient is that of Espeholt et al. 2018,
arXiv:1802.01561. Whole sequences: Liu, Li et al. 2025 (richardli.xyz/rl-collapse), verl's Seq-TIS.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, PositiveInt, PositiveOrInf, method
from steelyard.objective.advantage import centred, reward_of
from steelyard.objective.importance import Level, importance_ratio, step_mean
from steelyard.objective.kernels import policy_gradient


@method("tis", paper="arXiv:1802.01561")
@dataclass(frozen=True)
class TIS:
    """Truncated importance sampling: policy gradients weighted by importance ratios up to a cap."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_behaviour_PGT"), least_group=2)

    ratio_cap: PositiveOrInf = 2.0
    """C: the largest weight of an importance ratio; larger has less bias and more variance, 1e9 never truncates."""
    ratio_level: Level = "token"
    """Whether each token has a ratio of its own, or all of an answer that of the whole answer."""
    max_length: PositiveInt = 1
    """The constant length (tokens) that divides every sequence's sum."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards and behaviour log-probabilities.

        Metrics: `objective/ratio` the mean rho before it is truncated, `objective/clamped` the share of tokens whose
        ratio was truncated; means over samples, then prompts.
        """
        advantage_PG = centred(reward_of(batch), batch.valid_PG) / self.max_length
        ratio_PGT = importance_ratio(batch, self.ratio_level)
        weight_PGT = ratio_PGT.clamp(max=self.ratio_cap)
        metrics = {
            "objective/ratio": step_mean(ratio_PGT, batch),
            "objective/clamped": step_mean(ratio_PGT > self.ratio_cap, batch),
        }
        return policy_gradient(batch, advantage_PG[..., None] * weight_PGT, metrics)
