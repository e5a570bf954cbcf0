"""The two parts of an unlearning batch, and how their losses are combined.

    L = (F L_forget + retain R L_retain) / (F + R),    L_retain = - mean over retained prompts of mean_j log pi(y_j|x)

F forgotten and R retained prompts have a valid completion; R counts as 0 if `retain` is 0. log pi(y|x) is a sum over
actions (nats). The parts act like two micro-batches: with equally many prompts in both, L is half the sum of the means.
P prompts, G samples per prompt, T steps.

If the completions of retained prompts are given, L_retain is the usual retain loss (RT). If they were sampled from the
reference, it is KL(pi_ref || pi) of whole completions, up to a constant (KL).
"""

from typing import Annotated

import torch
import tyro
from msgspec import Meta

from steelyard.core import Batch, Loss
from steelyard.objective import policy_gradient

RetainWeight = Annotated[
    float, Meta(ge=0, description="0 or more, with --retain-weight"), tyro.conf.arg(name="retain-weight")
]
"""Coefficient of the retain loss; as a flag it is --retain-weight, because --retain names a file."""


def forgotten(batch: Batch) -> Batch:
    """The batch with only the completions to be forgotten valid."""
    return batch.replace(valid_PG=batch.valid_PG & ~batch.label("retain")[:, None])


def retained(batch: Batch) -> Batch:
    """The batch with only the completions to be retained valid."""
    return batch.replace(valid_PG=batch.valid_PG & batch.label("retain")[:, None])


def with_retained(forget: Loss, batch: Batch, retain: float) -> Loss:
    """Combine a loss on the forgotten prompts with the retain loss, whose coefficient is `retain`.

    The metrics `objective/forget` and `objective/retain` are the two terms of the loss.
    """
    keep = policy_gradient(retained(batch), torch.ones_like(batch.logp_PGT))
    weight = forget.weight + (keep.weight if retain > 0 else 0.0)
    forget_term = forget.value * (forget.weight / (weight or 1.0))
    retain_term = keep.value * (retain * keep.weight / (weight or 1.0))
    metrics = {"objective/forget": float(forget_term.detach()), "objective/retain": float(retain_term.detach())}
    return Loss(forget_term + retain_term, weight, metrics)
