"""Step-KTO: Kahneman-Tversky optimisation on the outcome and on each labelled step of a chain.

Differs: the paper's two kinds of binary signal are confirmed; how they enter the loss is our reading. Ours are: a term
of KTO's form for each step, with the step's own log-ratio and reference point; the mean over steps; equal weights.
The reference points come from the other samples of the prompt, as in our KTO.

    s_j = log pi(y_j|x) - log pi_ref(y_j|x),    s_jh the same, summed over the tokens of step h alone
    l_j = KTO's loss of s_j by the outcome + w mean_h KTO's loss of s_jh by the label of step h
    L   = mean over prompts of mean_j l_j

P prompts, G samples per prompt, T steps (tokens); h counts a chain's labelled steps. A label is a `reward_PGT` that is
not 0, at the last token of its step: above 0 the step is right. What follows the last label belongs to no step.
z_jh = max(0, mean of s_kh' over all labelled steps of the prompt's other samples k). w = 0 is KTO.
Source: Lin et al. 2025, arXiv:2501.10799; the outcome's term: arXiv:2402.01306.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, NonNegative, Positive, method
from steelyard.objective.advantage import reward_of
from steelyard.objective.kto import others_mean, prospect
from steelyard.objective.reduce import batch_mean, log_ratio, metric, num_prompts, steps_of
from steelyard.objective.steps import by_step, step_labels, step_numbers


@method(
    "step-kto",
    paper="arXiv:2501.10799",
    claim="fewer wrong steps inside right solutions than outcome-only KTO, at better accuracy",
)
@dataclass(frozen=True)
class StepKTO:
    """Kahneman-Tversky optimisation on the outcome and on each labelled step."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "reward_PGT", "logp_ref_PGT"))

    beta: Positive = 0.1
    """Steepness of the value function; smaller saturates later."""
    desirable_weight: NonNegative = 1.0
    """lambda_D: what a right step or a desirable sample counts."""
    undesirable_weight: NonNegative = 1.0
    """lambda_U: what a wrong step or an undesirable sample counts."""
    threshold: float = 0.5
    """A sample is desirable where its reward is above this."""
    step_weight: NonNegative = 1.0
    """w: the weight of the steps' term beside the outcome's; 0 is KTO."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards, step labels in `reward_PGT` and reference log-probabilities.

        Metrics: `objective/desirable` the share of desirable samples, `objective/steps_right` the share of right ones
        among the labelled steps, `objective/kl` the mean log-ratio to the reference (nats); each a mean over prompts.
        """
        valid_PG = batch.valid_PG
        weights = (self.desirable_weight, self.undesirable_weight)
        score_PG = log_ratio(batch)
        (score_PGT, label_PGT) = step_scores(batch)
        desirable_PG = reward_of(batch) > self.threshold
        labelled_PGT = label_PGT != 0
        num_PG = labelled_PGT.sum(-1).to(score_PG.dtype)

        z0_PG = others_mean(score_PG, valid_PG.to(score_PG.dtype))
        outcome_PG = prospect(score_PG, z0_PG, desirable_PG, self.beta, weights)
        z0_PGT = others_mean(score_PGT.where(labelled_PGT, 0.0).sum(-1), num_PG)[..., None].expand_as(score_PGT)
        step_PGT = prospect(score_PGT, z0_PGT, label_PGT > 0, self.beta, weights).where(labelled_PGT, 0.0)
        loss_PG = outcome_PG + self.step_weight * step_PGT.sum(-1) / num_PG.clamp(min=1)

        right_PG = (label_PGT > 0).sum(-1) / num_PG.clamp(min=1)
        metrics = {
            "objective/desirable": metric(desirable_PG.to(score_PG.dtype), valid_PG),
            "objective/steps_right": metric(right_PG, valid_PG),
            "objective/kl": metric(score_PG, valid_PG),
        }
        return Loss(batch_mean(loss_PG, valid_PG), num_prompts(valid_PG), metrics)


def step_scores(batch: Batch) -> tuple[Float[Tensor, "P G T"], Float[Tensor, "P G T"]]:
    """Log-ratio and label of each step of each sample, step h at place h; label 0 where there is no such step."""
    label_PGT = step_labels(batch)
    step_PGT = step_numbers(label_PGT)
    ratio_PGT = (batch.logp_PGT - batch.field("logp_ref_PGT").detach()).where(steps_of(batch), 0.0)
    return by_step(ratio_PGT, step_PGT), by_step(label_PGT, step_PGT)
