"""GRPO that also rewards the policy for being sure of its reasons, by its own distributions: Shop-R1's objective.

Differs: entropies are the current policy's, the same as the sampling policy's on fresh data. |V| is a setting, by
default the paper's model's.

    s_j = 1/(N |V|) sum over the N tokens t of the rationale, sum over v of p_tv log(p_tv |V|)
        = (log |V| - mean_t H_t) / |V|,     0 of a sample without a rationale
    R_j = r_j + alpha s_j,     then GRPO on R

P prompts, G samples per prompt, T steps; H_t is the entropy that y_t was drawn under (nats). The rationale are the
tokens after the first `reward_PGT` that is not 0, up to the second, which a verifier such as `shop-r1` places; their
values are not read. alpha = 0 is GRPO.
Source: Zhang et al. 2025, arXiv:2507.17842; GRPO: arXiv:2402.03300.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, NonNegative, Positive, PositiveInt, PositiveOrInf, method
from steelyard.objective.advantage import reward_of
from steelyard.objective.grpo import GRPO
from steelyard.objective.reduce import metric, steps_of
from steelyard.objective.steps import step_labels, step_numbers


@method(
    "self-certain-grpo",
    paper="arXiv:2507.17842",
    claim="A self-supervised reward for rationales beside one for actions: both are better than either.",
)
@dataclass(frozen=True)
class SelfCertainGRPO:
    """GRPO on the reward and the self-certainty of the rationale."""

    alpha: NonNegative = 0.005
    """Weight of the self-certainty; 0 is GRPO."""
    vocabulary: PositiveInt = 151_936
    """|V|, the tokens that the policy chooses from."""
    clip: PositiveOrInf = 0.2
    """Half-width of the interval around 1 in which the importance ratio may still be pushed; 1e9 never clips."""
    beta: NonNegative = 0.001
    """Weight of the k3 penalty on the KL to the reference; 0 needs no reference."""
    eps: Positive = 1e-4
    """Added to the standard deviation of a group's rewards (reward units)."""

    @property
    def needs(self) -> Needs:
        """What GRPO needs, the marks of the rationale and entropies."""
        return replace(self._grpo.needs, fields=(*self._grpo.needs.fields, "reward_PGT"), entropy=True)

    def __call__(self, batch: Batch) -> Loss:
        """The loss; metrics: GRPO's, and `objective/self_certainty` (log |V| - mean H, nats)."""
        kept_PGT = rationale(batch)
        entropy_PGT = batch.field("entropy_PGT").detach().where(kept_PGT, 0.0)
        number_PG = kept_PGT.sum(-1)
        most = torch.tensor(float(self.vocabulary)).log().item()
        certain_PG = (most - entropy_PGT.sum(-1) / number_PG.clamp(min=1)).where(number_PG > 0, 0.0)
        bonus_PG = self.alpha * certain_PG / self.vocabulary
        loss = self._grpo(batch.replace(reward_PG=reward_of(batch) + bonus_PG))
        return replace(loss, metrics={**loss.metrics, "objective/self_certainty": metric(certain_PG, batch.valid_PG)})

    @property
    def _grpo(self) -> GRPO:
        return GRPO(self.clip, self.beta, self.eps)


def rationale(batch: Batch) -> Bool[Tensor, "P G T"]:
    """The tokens between the first two marks, the second one included; none where there are fewer marks."""
    label_PGT: Float[Tensor, "P G T"] = step_labels(batch)
    two_PG1 = (label_PGT != 0).sum(-1, keepdim=True) >= 2
    return (step_numbers(label_PGT) == 1) & two_PG1 & steps_of(batch)
