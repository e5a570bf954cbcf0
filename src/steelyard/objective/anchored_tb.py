"""Trajectory balance on late data: log Z is the group's estimate of the time when it was sampled.

Differs from trajectory balance as published (arXiv:2503.18929) in its anchor, which is of this project: no paper has
it. `vargrad-tb` takes a group's mean residual under the policy as it is now, so its loss
is blind to how much probability the sampled completions have in all. On fresh data the draws see to that. On data some
versions old they do not: right answers lose probability with the others, to completions that nobody samples until the
sampler finds them. Here the mean is taken under the policy that sampled, whose estimate of log Z was an honest one.

    d_j = beta (log pi(y_j|x) - log pi_ref(y_j|x)) - r_j
    c   = mean_k [beta (log mu(y_k|x) - log pi_ref(y_k|x)) - r_k],    no gradient
    L   = mean over prompts of mean_j (d_j - c)^2

P prompts, G samples per prompt, T steps; mu is the policy that sampled, log-probabilities are sums over actions (nats),
d and c in reward units. Where pi is mu the gradient is that of `vargrad-tb`, and where mu is pi*, too, it is 0 for
every sample. -c / beta is at most log Z in the mean, short of it by KL(mu || pi*), so c asks a little much of
completions from long before: with data that never comes anew the minimum is not pi*.
A prompt with one valid sample counts in the mean with a loss of 0; one with none does not count.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, Positive, method
from steelyard.objective.advantage import reward_of
from steelyard.objective.importance import log_importance
from steelyard.objective.kernels import squared_residual
from steelyard.objective.reduce import log_ratio, metric, num_samples, prompt_mean, sum_steps


@method("anchored-tb", paper="arXiv:2503.18929")
@dataclass(frozen=True)
class AnchoredTB:
    """Trajectory balance whose log Z is the estimate of the policy that sampled the group."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_ref_PGT", "logp_behaviour_PGT"), least_group=2)

    beta: Positive = 0.05
    """Temperature of the KL-tilted target; larger stays nearer the reference."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards, reference and behaviour log-probabilities.

        Metrics: `objective/log_z` -c / beta (nats), `objective/residual_rms` (reward units), `objective/kl` the mean
        log-ratio to the reference (nats), `objective/moved` the mean of log pi - log mu of a completion (nats), below 0
        where what was sampled has lost probability; each a mean over prompts.
        """
        ratio_PG = log_ratio(batch)
        moved_PG = sum_steps(log_importance(batch), batch)
        valid_PG = batch.valid_PG
        d_PG = self.beta * ratio_PG - reward_of(batch)
        then_P1 = prompt_mean((d_PG - self.beta * moved_PG).detach(), valid_PG)
        residual_PG = (d_PG - then_P1).where(num_samples(valid_PG) > 1, 0.0)
        rms_P1 = prompt_mean(residual_PG.detach().square().where(valid_PG, 0.0), valid_PG).sqrt()
        metrics = {
            "objective/log_z": metric((-then_P1 / self.beta).expand_as(d_PG), valid_PG),
            "objective/residual_rms": metric(rms_P1, valid_PG.any(-1, keepdim=True)),
            "objective/kl": metric(ratio_PG, valid_PG),
            "objective/moved": metric(moved_PG, valid_PG),
        }
        return squared_residual(residual_PG, valid_PG, metrics)
