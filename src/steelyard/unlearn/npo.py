"""Negative preference optimization: DPO with the rejected answer alone; its gradient fades as answers are forgotten.

Differs: one mean runs over forgotten and retained prompts; with equally many of both it is half the sum of the two
means. Retained answers are summed over tokens like the forgotten ones, as in the paper's equations; its code takes
their mean. The KL on retained prompts is estimated from samples of the reference; the paper's code compares whole
distributions.

    L_forget = 2/beta mean over forgotten prompts of mean_j -log sigma(-beta log(pi(y_j|x) / pi_ref(y_j|x)))
    grad L_forget = w grad log pi,    w = 2 pi^beta / (pi^beta + pi_ref^beta)
    L = (F L_forget + retain R L_retain) / (F + R)

P prompts, F of them to be forgotten and R retained; G samples per prompt, T steps. Log-probabilities are sums over
actions (nats); pi_ref is the model before unlearning. w is gradient ascent's 1 at the start and goes to 0 as y becomes
unlikely; beta -> 0 is gradient ascent. `steelyard.unlearn.parts` has L_retain: with given answers of the retained
prompts this is NPO+RT, with answers sampled from the reference NPO+KL, with `retain` 0 NPO alone.
Source: Zhang et al. 2024, arXiv:2404.05868; the retain terms as in the authors' code.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, Positive, method
from steelyard.objective.kernels import one_sided
from steelyard.objective.reduce import batch_mean, log_ratio, num_prompts
from steelyard.unlearn.parts import RetainWeight, forgotten, with_retained


@method(
    "npo",
    paper="arXiv:2404.05868",
    claim="forgets half of what was taught and stays useful; collapse is exponentially slower than under ascent",
)
@dataclass(frozen=True)
class NPO:
    """Settings of negative preference optimization."""

    needs: ClassVar[Needs] = Needs(fields=("logp_ref_PGT",), labels=("retain",))

    beta: Positive = 0.1
    """How soon an answer counts as forgotten: larger is sooner; towards 0, never (gradient ascent)."""
    retain: RetainWeight = 1.0
    """Coefficient of the retain loss; 0 learns from forgotten prompts alone."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs the label `retain` and `logp_ref_PGT`, and reports its terms."""
        part = forgotten(batch)
        loss_PG = 2 / self.beta * one_sided(log_ratio(part), 0.0, wanted=False, beta=self.beta)
        return with_retained(Loss(batch_mean(loss_PG, part.valid_PG), num_prompts(part.valid_PG)), batch, self.retain)
