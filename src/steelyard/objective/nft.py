"""Negative-aware fine-tuning: supervised learning that also learns from failures, by an implicit negative policy.

Differs: the value is that of -sum_t stop_grad(w_t) log pi(y_t), the gradient is the paper's. A prompt whose samples are
all right or all wrong has no weight but counts in the mean over prompts; the published code takes it out. Sums over
steps are not divided by the code's constant of 1000 tokens.

    q_j = [r_j > threshold],   q = mean_k q_k in [0.02, 0.98],   rho = pi(y_t) / mu(y_t)
    pi_neg = (mu - q pi) / (1 - q)         what mu would be without its right answers
    right answers:   l_t = -log rho
    wrong answers:   l_t = -log max((1 - q rho) / (1 - q), eps)    the gradient passes where the maximum is eps, too
    L   = mean over prompts of mean_j W(q) sum_t l_t
    w_t = W for right answers, -W q / (1 - q) rho / max((1 - q rho) / (1 - q), eps) for wrong ones

P prompts, G samples per prompt, T steps; mu is the policy that sampled. W is 1 - q by failures, sqrt((1 - q) / q) by
deviation, or 1. With fresh samples (rho = 1, eps at most 1) the first is Dr. GRPO and the second GRPO without its
lengths. Log-ratios above 10 nats count as 10, as in the published code.

Measured here, on letters with several right digits, each arm at its best rate of three: as good as Dr. GRPO, and no
better than right answers alone. At the same rate it leaves fewer wrong answers on letters that both keep, and it loses
more letters: failures also make other wrong answers likelier, and a prompt without a right sample teaches nothing.
Source: Chen et al. 2025, arXiv:2505.18116.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, NonNegative, Positive, method
from steelyard.objective.advantage import reward_of
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import metric, prompt_mean

LEAST_SHARE = 0.02
MOST_NATS = 10.0


@method(
    "nft",
    paper="arXiv:2505.18116",
    claim="a supervised loss that also uses failures matches GRPO and beats fine-tuning on right answers alone",
)
@dataclass(frozen=True)
class NFT:
    """Fine-tuning on right answers, and away from wrong ones by an implicit negative policy."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_behaviour_PGT"), least_group=2)

    weighting: Literal["failures", "deviation", "equal"] = "failures"
    """W: what a prompt with a share q of right answers weighs: 1 - q, sqrt((1 - q) / q), or 1."""
    negative: NonNegative = 1.0
    """What wrong answers weigh; at 0 it is fine-tuning on right answers alone."""
    eps: Positive = 1.0
    """Least likelihood ratio of the negative policy; smaller lets wrong answers push harder as they grow likelier."""
    threshold: float = 0.5
    """Rewards above it are right answers."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards and behaviour log-probabilities.

        Metrics: `objective/right` the share of right answers, `objective/mixed` that of samples whose prompt has right
        and wrong ones.
        """
        right_PG = (reward_of(batch) > self.threshold) & batch.valid_PG
        share_P1 = prompt_mean(right_PG.to(batch.logp_PGT.dtype), batch.valid_PG)
        mixed_P1 = (share_P1 > 0) & (share_P1 < 1)
        q_P11 = share_P1.clamp(LEAST_SHARE, 1 - LEAST_SHARE)[..., None]
        weight_PGT = self._weight(q_P11) * self._pull(batch, q_P11, right_PG)
        metrics = {
            "objective/right": metric(right_PG.to(weight_PGT.dtype), batch.valid_PG),
            "objective/mixed": metric(mixed_P1.expand_as(right_PG).to(weight_PGT.dtype), batch.valid_PG),
        }
        return policy_gradient(batch, weight_PGT.where(mixed_P1[..., None], 0.0), metrics)

    def _weight(self, q: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        if self.weighting == "failures":
            return 1 - q
        return ((1 - q) / q).sqrt() if self.weighting == "deviation" else q.new_ones(q.shape)

    def _pull(
        self, batch: Batch, q_P11: Float[Tensor, "P 1 1"], right_PG: Bool[Tensor, "P G"]
    ) -> Float[Tensor, "P G T"]:
        """The weights of a prompt that weighs 1: 1 for right answers, below 0 for wrong ones."""
        gap_PGT = (batch.logp_PGT - batch.field("logp_behaviour_PGT")).detach()
        ratio_PGT = gap_PGT.clamp(max=MOST_NATS).exp()
        negative_PGT = ((1 - q_P11 * ratio_PGT) / (1 - q_P11)).clamp(min=self.eps)
        wrong_PGT = -self.negative * q_P11 / (1 - q_P11) * ratio_PGT / negative_PGT
        return wrong_PGT.new_ones(wrong_PGT.shape).where(right_PG[..., None], wrong_PGT)
