"""The three kernels that carry the objectives. A method is the rule for its weights, residuals or scores.

    weighted likelihood   - sum_PGT stop_grad(w) log pi(y_t) / normaliser
    squared residual      mean over prompts of mean_K residual^2
    contrast              mean over prompts of mean_K -log sigma(beta (s_w - s_l))
    one-sided contrast    -log sigma(+-beta (s - z)) or 1 - sigma(+-beta (s - z)) of a single score s, + where wanted

P prompts, G samples per prompt, T steps; K is G, or 1 where a prompt's samples make one comparison. Averages follow
`reduce`. Every loss is differentiable, also with nothing to learn from: then value, weight and gradient are 0.
"""

from collections.abc import Mapping

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from steelyard.core import Batch, Loss
from steelyard.objective.reduce import batch_mean, num_prompts, num_samples, steps_of


def weighted_likelihood(
    batch: Batch,
    weight_PGT: Float[Tensor, "P G T"],
    *,
    normaliser: float,
    metrics: Mapping[str, float] | None = None,
) -> Loss:
    """- sum over actions of valid trajectories of stop_grad(w_t) log pi(y_t), divided by `normaliser`.

    The gradient is what matters: the value of a loss whose weights depend on pi (a ratio, a KL term) differs from the
    value of the surrogate it stands for.

    Args:
        batch: gives log pi and the masks.
        weight_PGT: w; entries outside the mask may be anything.
        normaliser: an extensive count (prompts, tokens), which is also the loss's weight.
        metrics: passed on.
    """
    steps_PGT = steps_of(batch)
    total = (weight_PGT.detach().where(steps_PGT, 0.0) * batch.logp_PGT.where(steps_PGT, 0.0)).sum()
    return Loss(-total / (normaliser or 1.0), normaliser, metrics or {})


def policy_gradient(
    batch: Batch, advantage_PGT: Float[Tensor, "P G T"], metrics: Mapping[str, float] | None = None
) -> Loss:
    """Weighted likelihood, averaged over each prompt's valid samples and then over prompts, summed over steps."""
    weight_PGT = advantage_PGT / num_samples(batch.valid_PG)[..., None]
    return weighted_likelihood(batch, weight_PGT, normaliser=num_prompts(batch.valid_PG), metrics=metrics)


def token_gradient(
    batch: Batch, weight_PGT: Float[Tensor, "P G T"], metrics: Mapping[str, float] | None = None
) -> Loss:
    """Weighted likelihood, averaged over all steps of a prompt's valid samples and then over prompts.

    A long sample has more of it than a short one, unlike in `policy_gradient`.
    """
    num_steps_P11 = steps_of(batch).sum((-2, -1), keepdim=True).clamp(min=1)
    return weighted_likelihood(
        batch, weight_PGT / num_steps_P11, normaliser=num_prompts(batch.valid_PG), metrics=metrics
    )


def squared_residual(
    residual_PK: Float[Tensor, "P K"], mask_PK: Bool[Tensor, "P K"], metrics: Mapping[str, float] | None = None
) -> Loss:
    """Mean over prompts of the mean of residual^2 where the mask is true; the gradient flows through the residual."""
    return Loss(batch_mean(residual_PK.where(mask_PK, 0.0).square(), mask_PK), num_prompts(mask_PK), metrics or {})


def contrast(
    chosen_PK: Float[Tensor, "P K"],
    rejected_PK: Float[Tensor, "P K"],
    mask_PK: Bool[Tensor, "P K"],
    *,
    beta: float,
    metrics: Mapping[str, float] | None = None,
) -> Loss:
    """Mean over prompts of the mean of -log sigma(beta (chosen - rejected)) where the mask is true; scores in nats."""
    margin_PK = (chosen_PK - rejected_PK).where(mask_PK, 0.0)
    return Loss(batch_mean(-logsigmoid(beta * margin_PK), mask_PK), num_prompts(mask_PK), metrics or {})


def one_sided(
    score: Float[Tensor, "..."],
    reference: Float[Tensor, "..."] | float,
    wanted: Bool[Tensor, "..."] | bool,
    *,
    beta: float,
    log: bool = True,
) -> Float[Tensor, "..."]:
    """The one-sided contrast of each score with its reference point: what methods without pairs average.

    Falls in the score where `wanted`, and rises in it elsewhere; `reduce.batch_mean` makes a loss of it.

    Args:
        score: s in nats, finite; carries the gradient.
        reference: z in nats, a number or one for each score; no gradient passes.
        wanted: true where the score is to rise above z, false where it is to fall below.
        beta: steepness.
        log: -log sigma(m), whose pull stays when the margin m is lost; else 1 - sigma(m), which gives up on both ends.
    """
    reference = reference.detach() if isinstance(reference, Tensor) else reference
    distance = beta * (score - reference)
    margin = distance.where(wanted, -distance) if isinstance(wanted, Tensor) else distance if wanted else -distance
    return -logsigmoid(margin) if log else (-margin).sigmoid()
