"""RLOO for generations of several messages: each is credited with its own reward, against others of the same role.

Differs: that credit goes to messages by their own rewards, and which baseline there is, could not be confirmed from the
source; this is our reading of its RLOO variant. A message's KL penalty is that of its own tokens.

    R_jm = r_jm - beta (log pi(y_jm) - log pi_ref(y_jm)),    no gradient
    A_jm = R_jm - mean R_kn over the messages n of m's role in the prompt's other samples k
    L    = - mean over prompts of mean_j sum_m A_jm log pi(y_jm | x, y_j<m)

P prompts, G samples per prompt, T steps (tokens). r_jm is the `reward_PGT` that is not 0 at the last token of message
m; what follows the last one is not learned. The role of message m, counted from 0, is m mod `roles`: 2 alternate, as a
proposal and its verification do; 1 has one role. A message without another sample's of its role has A = 0. There is no
importance ratio. With one message in every sample it is RLOO.
Source: Zhao et al. 2025, arXiv:2506.06923; RLOO: arXiv:2402.14740.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, NonNegative, PositiveInt, method
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import metric, steps_of
from steelyard.objective.steps import by_step, step_labels, step_numbers


@method(
    "message-rloo",
    paper="arXiv:2506.06923",
    claim="Rewarding proposals and verifications apart improves both, in one generation of one policy.",
)
@dataclass(frozen=True)
class MessageRLOO:
    """REINFORCE with a leave-one-out baseline for each role's messages."""

    beta: NonNegative = 0.0
    """Weight of the KL penalty inside the rewards; 0 needs no reference."""
    roles: PositiveInt = 2
    """How many roles take turns; 1 compares all messages with each other."""

    @property
    def needs(self) -> Needs:
        """Rewards of messages, and the reference where beta is not 0."""
        fields = ("reward_PGT", "logp_ref_PGT") if self.beta else ("reward_PGT",)
        return Needs(fields=fields, on_policy=True, least_group=2)

    def __call__(self, batch: Batch) -> Loss:
        """The loss; metrics: `objective/messages` of a sample, and their mean reward, `objective/message_reward`."""
        label_PGT = step_labels(batch)
        message_PGT = step_numbers(label_PGT)
        reward_PGH = by_step(label_PGT, message_PGT)
        there_PGH = reward_PGH != 0
        advantage_PGH = self._advantage(self._shaped(batch, reward_PGH, message_PGT), there_PGH)
        number_PG = there_PGH.sum(-1).to(reward_PGH.dtype)
        metrics = {
            "objective/messages": metric(number_PG, batch.valid_PG),
            "objective/message_reward": metric(reward_PGH.sum(-1) / number_PG.clamp(min=1), batch.valid_PG),
        }
        return policy_gradient(batch, advantage_PGH.gather(-1, message_PGT), metrics)

    def _shaped(self, batch: Batch, reward_PGH: Tensor, message_PGT: Tensor) -> Float[Tensor, "P G H"]:
        """R of each message."""
        if self.beta == 0:
            return reward_PGH
        gap_PGT = (batch.logp_PGT - batch.field("logp_ref_PGT")).detach().where(steps_of(batch), 0.0)
        return reward_PGH - self.beta * by_step(gap_PGT, message_PGT)

    def _advantage(
        self, shaped_PGH: Float[Tensor, "P G H"], there_PGH: Bool[Tensor, "P G H"]
    ) -> Float[Tensor, "P G H"]:
        """A of each message, 0 where there is none."""
        role_H = torch.arange(shaped_PGH.shape[-1], device=shaped_PGH.device) % self.roles
        advantage_PGH = torch.zeros_like(shaped_PGH)
        for role in range(self.roles):
            mine_PGH = there_PGH & (role_H == role)
            total_PG = shaped_PGH.where(mine_PGH, 0.0).sum(-1)
            number_PG = mine_PGH.sum(-1)
            others_PG = total_PG.sum(-1, keepdim=True) - total_PG
            count_PG = number_PG.sum(-1, keepdim=True) - number_PG
            compared_PGH = mine_PGH & (count_PG > 0)[..., None]
            gap_PGH = shaped_PGH - (others_PG / count_PG.clamp(min=1))[..., None]
            advantage_PGH = gap_PGH.where(compared_PGH, advantage_PGH)
        return advantage_PGH
