"""An objective on pairs, and beside it the likelihood of the chosen completion.

    L = L_pairs + a * mean over pairs of -log pi(y_w|x) / |y_w|

P prompts, G = 2 samples per prompt, T steps. The second mean is over the pairs that are compared: ties and pairs with
an invalid sample have no part in it. |y_w| counts the actions of the chosen completion; with a = 0 it is the objective
itself.
Source: Dubey et al. 2024, arXiv:2407.21783, section 4.1.4, where a is 0.2; that the term is a mean over tokens is said
by the paper that it follows, Pang et al. 2024, arXiv:2404.19733.
"""

from dataclasses import dataclass

from steelyard.core import Batch, Loss, Needs, NonNegative, checked, needs_of
from steelyard.objective.base import Objective
from steelyard.objective.preference import chosen_rejected
from steelyard.objective.reduce import batch_mean, mean_steps, metric


@checked()
@dataclass(frozen=True)
class WithChosenLikelihood:
    """An objective with an anchor: what was chosen is not to become unlikely."""

    objective: Objective
    """What compares the two samples of a prompt."""
    weight: NonNegative
    """a: how much a nat of the chosen completion's mean token counts."""

    @property
    def needs(self) -> Needs:
        """Those of the objective."""
        return needs_of(self.objective)

    def __call__(self, batch: Batch) -> Loss:
        """The loss; the objective's metrics, and `objective/chosen_nll` (nats a token)."""
        loss = self.objective(batch)
        logp_P1, _, mask_P1 = chosen_rejected(batch, mean_steps(batch.logp_PGT, batch))
        value = loss.value + self.weight * batch_mean(-logp_P1, mask_P1)
        return Loss(value, loss.weight, {**loss.metrics, "objective/chosen_nll": metric(-logp_P1, mask_P1)})
