"""DPO towards a refusal: for a prompt to forget, the refusal is chosen and the answer is rejected.

Differs: one mean runs over forgotten and retained prompts; with equally many of both it is half the sum of the two
means. Retained answers are summed over tokens; the code of arXiv:2404.05868 takes their mean.

    s = log pi(y|x) - log pi_ref(y|x)
    L_forget = 2/beta mean over forgotten prompts of -log sigma(beta (s_refusal - s_answer))
    L = (F L_forget + retain R L_retain) / (F + R)

P prompts, F of them to be forgotten and R retained; G = 2 samples per prompt, T steps. Log-probabilities are sums over
actions (nats); pi_ref is the model before unlearning.
In a forgotten prompt's pair the refusal is the completion with the higher reward; ties have weight 0. A retained prompt
may have one or two completions. `steelyard.unlearn.parts` has L_retain.
Source: a baseline of Zhang et al. 2024, arXiv:2404.05868; the loss is that of Rafailov et al. 2023, arXiv:2305.18290.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, Positive, method
from steelyard.objective import contrast
from steelyard.objective.preference import chosen_rejected
from steelyard.objective.reduce import log_ratio
from steelyard.unlearn.parts import RetainWeight, forgotten, with_retained


@method("refusal-dpo", paper="arXiv:2404.05868", claim="prefers a refusal to what is to be forgotten; a baseline")
@dataclass(frozen=True)
class RefusalDPO:
    """DPO towards a refusal."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_ref_PGT"), labels=("retain",), group_size=2)

    beta: Positive = 0.1
    """Strength of the pull to the reference."""
    retain: RetainWeight = 1.0
    """Coefficient of the retain loss; 0 learns from forgotten prompts alone."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs the label `retain`, `reward_PG` and `logp_ref_PGT`, and reports its terms."""
        part = forgotten(batch)
        loss = contrast(*chosen_rejected(part, log_ratio(part)), beta=self.beta)
        return with_retained(Loss(2 / self.beta * loss.value, loss.weight), batch, self.retain)
