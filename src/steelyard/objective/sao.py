"""SAO: one sample a prompt, a value in the place of the group, and no step whose ratio has left an interval.

Differs: the paper's value is a model of its own, trained beforehand, with frozen attention and two updates for each of
the policy's. Here it is a linear head on the policy's last state, trained in the same step. gamma is 1. Rollouts of
several samples a prompt are taken, too: samples are not compared. Averaging over all actions of the batch is our
reading of the paper's mean over t.

    rho_t = pi(y_t) / mu(y_t)
    f_t   = rho_t where 1 - low < rho_t < 1 + high, else 0,    no gradient
    A_t   = GAE of r and V with lambda = 1 - 1 / (alpha |y|), from action to action, no gradient
    L     = - mean_t f_t A_t log pi(y_t) + c mean_t (V_t - r)^2 / 2,    means over all actions of the batch

P prompts, G samples per prompt, T steps; mu is the policy that sampled, V_t the head's prediction before step t, r the
sequence's reward and |y| its number of actions. Steps that the environment wrote are skipped: from the last action of a
turn to the first of the next one is one step of GAE. The value's target is that of lambda = 1, the reward itself.
Unlike PPO's clipping, f takes out a step beyond either bound whatever its advantage. The paper has low .3 and high 5
with tools on mathematics, .8 and 3 on code.
Source: Hou et al. 2026, arXiv:2607.07508, equations 1 to 5 and section 4.1, by accounts of it; lambda:
arXiv:2504.05118.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from jaxtyping import Bool, Float
from msgspec import Meta
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, NonNegative, PositiveOrInf, method
from steelyard.objective.advantage import reward_of
from steelyard.objective.heads import LinearHead
from steelyard.objective.importance import importance_ratio
from steelyard.objective.kernels import weighted_likelihood
from steelyard.objective.reduce import steps_of
from steelyard.objective.value import gae, last_action, value_error

AtLeastOne = Annotated[float, Meta(ge=1)]


@method(
    "sao",
    paper="arXiv:2607.07508",
    claim="one sample a prompt and a value outlast GRPO and score higher when data are asynchronous",
)
@dataclass(frozen=True)
class SAO:
    """Single-rollout asynchronous optimization: a value in the place of the group."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_behaviour_PGT"), value=LinearHead)

    clip_low: PositiveOrInf = 0.3
    """Steps whose ratio is not above 1 less this are left out; above 1 leaves none out."""
    clip_high: PositiveOrInf = 5.0
    """Steps whose ratio is not below 1 plus this are left out; 1e9 leaves none out."""
    alpha: AtLeastOne = 1.5
    """lambda's memory, in lengths of the answer: larger trusts the return more than the value; 1e9 is lambda 1."""
    value_weight: NonNegative = 0.1
    """c: weight of the value's loss."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards, values and behaviour log-probabilities.

        Metrics, all means over actions: `objective/masked_share` the share left out, `objective/ratio`,
        `objective/value` the mean V (reward units) and `objective/value_error` the mean (V - r)^2.
        """
        steps_PGT = steps_of(batch)
        value_PGT = batch.field("value_PGT")
        reward_PG1 = reward_of(batch)[..., None]
        delta_PGT = gae(reward_PG1.where(last_action(batch), 0.0), value_PGT, steps_PGT, 1.0, 0.0)
        advantage_PGT = length_adaptive(delta_PGT, steps_PGT, self.alpha)
        ratio_PGT = importance_ratio(batch)
        kept_PGT = (ratio_PGT > 1 - self.clip_low) & (ratio_PGT < 1 + self.clip_high)
        num = float(steps_PGT.sum())
        surrogate = weighted_likelihood(batch, (ratio_PGT * advantage_PGT).where(kept_PGT, 0.0), normaliser=num)
        error = value_error(value_PGT, reward_PG1.expand_as(value_PGT), steps_PGT)

        def mean(x_PGT: Float[Tensor, "P G T"]) -> float:
            return float(x_PGT.detach().where(steps_PGT, 0.0).sum()) / (num or 1.0)

        metrics = {
            "objective/masked_share": mean((~kept_PGT).to(ratio_PGT.dtype)),
            "objective/ratio": mean(ratio_PGT),
            "objective/value": mean(value_PGT),
            "objective/value_error": float(error.detach()),
        }
        return Loss(surrogate.value + self.value_weight * error / 2, num, metrics)


def length_adaptive(
    delta_PGT: Float[Tensor, "P G T"], steps_PGT: Bool[Tensor, "P G T"], alpha: float
) -> Float[Tensor, "P G T"]:
    """A_t = delta_t + lambda A_{t+1} from action to action, lambda = 1 - 1 / (alpha |y|) for each sample; 0 elsewhere.

    With n_t actions before t, lambda^n_t A_t is the sum of lambda^n delta from t on. For alpha of 1 or more that
    power is at least 1/e at every action, so dividing by it is safe.
    """
    length_PG1 = steps_PGT.sum(-1, keepdim=True).clamp(min=1).to(delta_PGT.dtype)
    before_PGT = (steps_PGT.cumsum(-1) - 1).clamp(min=0)
    power_PGT = (1 - 1 / (alpha * length_PG1)) ** before_PGT
    to_go_PGT = (power_PGT * delta_PGT).where(steps_PGT, 0.0).flip(-1).cumsum(-1).flip(-1)
    return (to_go_PGT / power_PGT).where(steps_PGT, 0.0)
