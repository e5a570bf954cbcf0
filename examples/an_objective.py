"""An objective of your own in forty lines, checked with the conformance suite and then trained.

It is trajectory balance whose large residuals pull no harder than small ones, as in Huber's loss. All 1,000 answers of
its task can be listed, so its target pi* is known exactly. Printed are the suite's verdicts, and the total variation to
pi* before and after training.
"""

import tempfile
from dataclasses import dataclass
from typing import ClassVar

from torch.nn.functional import huber_loss

import steelyard
from steelyard.check import check_objective
from steelyard.core import Batch, Loss, Needs, Positive, method
from steelyard.objective import batch_mean, centred, log_ratio, num_prompts, reward_of
from steelyard.runtime import HeldOut


@method("huber-tb")
@dataclass(frozen=True)
class HuberTB:
    """Trajectory balance that a few wild residuals do not rule.

        d_j = beta (log pi(y_j|x) - log pi_ref(y_j|x)) - r_j,    e_j = d_j - mean_k d_k
        L   = mean over prompts of mean_j h(e_j),    h(e) = e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2)

    P prompts, G samples per prompt, T steps; e, d and r in reward units. Source: none, this objective is an example.
    """

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_ref_PGT"), least_group=2)

    beta: Positive = 0.15
    """Temperature of the target pi* proportional to pi_ref exp(r / beta)."""
    delta: Positive = 0.3
    """Residual from which the loss is linear (reward units)."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; it has the number of prompts as its weight, so that micro-batches add up."""
        d_PG = self.beta * log_ratio(batch) - reward_of(batch)
        e_PG = centred(d_PG, batch.valid_PG)
        h_PG = huber_loss(e_PG, e_PG.new_zeros(()).expand_as(e_PG), reduction="none", delta=self.delta)
        return Loss(batch_mean(h_PG, batch.valid_PG), num_prompts(batch.valid_PG))


def main() -> None:
    """Check, then train."""
    results = check_objective(HuberTB())
    for failed in (result for result in results if not result.passed):
        print(f"{failed.check}: {failed.reason}")
    print(f"{sum(result.passed for result in results)} of {len(results)} checks passed:")
    print("  " + ", ".join(result.check for result in results if result.passed))
    with tempfile.TemporaryDirectory() as place:
        found = steelyard.train(
            "enumerable",
            objective=HuberTB(),
            runtime="inline",  # in this process, on a virtual clock: the same run every time
            max_steps=40,
            num_generations=64,
            output_dir=place,
            report=False,
            evaluation=HeldOut(every=40, prompts=2, sampled_prompts=2, samples=2),
        ).summary
    print(f"total variation to pi* before {found['total_variation_before']:.3f}, after {found['total_variation']:.3f}")


if __name__ == "__main__":
    main()
