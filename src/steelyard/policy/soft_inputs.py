"""Vectors in the place of embeddings: what soft tokens feed to a model, and their log-probabilities.

    h = softmax(logits / tau) E,    log p(x | h) = - ||x - h||^2 / (2 sigma^2) + constant

E [V, D] are the embeddings as the first layer sees them. The constant, D/2 log(2 pi sigma^2), is left out: no gradient
sees it. Shapes: N rows, T steps, V vocabulary, D hidden size, M soft steps.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from steelyard.core import require
from steelyard.policy.logp import StepLogp, logits_at_once
from steelyard.policy.policy import Policy


def check_soft(policy: Policy) -> None:
    """Refuse a model that soft tokens cannot be fed to.

    Raises:
        SteelyardError: it keeps no keys and values, is changed on the way, or has other words in than out.
    """
    hint = "take another model"
    require(policy.caches, "the model has recurrent layers, which soft tokens are not fed to", where="soft", hint=hint)
    what = "an intervention or a hook changes the model's hidden states"
    require(not policy.hooked, what, where="soft", hint="take it out")
    words = policy.model.get_input_embeddings().weight.shape[0]
    what = f"the model reads {words} tokens and writes {policy.vocab_size}: no mixture of the ones is one of the others"
    require(words == policy.vocab_size, what, where="soft", hint=hint)


def embeddings(policy: Policy) -> Float[Tensor, "V D"]:
    """E, with its gradient."""
    return policy.model.get_input_embeddings()(torch.arange(policy.vocab_size, device=policy.device))


@torch.no_grad()
def root_mean_square(policy: Policy) -> float:
    """Of the numbers of E."""
    return float(embeddings(policy).float().square().mean().sqrt())


def mixture(
    logits_MV: Float[Tensor, "M V"], temperature: float, embedding_VD: Float[Tensor, "V D"]
) -> Float[Tensor, "M D"]:
    """h of each row of logits, in float32."""
    return (logits_MV.float() / temperature).softmax(-1) @ embedding_VD.float()


@contextmanager
def fed(policy: Policy, vector_NTD: Float[Tensor, "N T D"], soft_NT: Bool[Tensor, "N T"]) -> Iterator[None]:
    """Inside the `with`, the model reads these vectors in the place of embeddings, where `soft_NT` says so.

    It must read rows of just this shape, by its own forward pass.
    """

    def exchange(_: nn.Module, __: Any, found_NTD: Tensor) -> Tensor:
        return torch.where(soft_NT[..., None], vector_NTD.to(found_NTD.dtype), found_NTD)

    hook = policy.model.get_input_embeddings().register_forward_hook(exchange)
    try:
        yield
    finally:
        hook.remove()


def soft_step_logp(
    policy: Policy,
    tokens_NT: Int[Tensor, "N T"],
    attend_NT: Bool[Tensor, "N T"],
    action_NT: Bool[Tensor, "N T"],
    vector_NTD: Float[Tensor, "N T D"],
    soft_NT: Bool[Tensor, "N T"],
    *,
    soft_temperature: float,
    sigma: float,
    temperature: float = 1.0,
) -> Float[Tensor, "N T"]:
    """Log-probabilities of actions, tokens and soft steps, in one forward pass; 0 elsewhere.

    Args:
        policy: the model.
        tokens_NT: as for `Policy.step_logp`; at soft steps any token.
        attend_NT: true where a step is real.
        action_NT: true where the policy chose a token.
        vector_NTD: what was fed at soft steps: constants.
        soft_NT: true at soft steps, which are no actions.
        soft_temperature: tau.
        sigma: spread of the noise.
        temperature: of the tokens.
    """
    embedding_VD = embeddings(policy)
    both_NT = action_NT | soft_NT
    with fed(policy, vector_NTD.to(policy.device), soft_NT.to(policy.device)):
        steps = policy.step_logp(tokens_NT, attend_NT, both_NT, temperature=temperature)
    is_soft_A = soft_NT[both_NT].to(policy.device)
    fed_MD = vector_NTD[soft_NT].to(policy.device)
    gap_M = _gaps(policy, steps, is_soft_A, fed_MD, embedding_VD, soft_temperature)
    logp_M = -gap_M / (2 * sigma**2)
    return steps.logp_NT.masked_scatter(soft_NT.to(policy.device), logp_M)


def _gaps(
    policy: Policy,
    steps: StepLogp,
    is_soft_A: Bool[Tensor, "A"],
    fed_MD: Float[Tensor, "M D"],
    embedding_VD: Float[Tensor, "V D"],
    temperature: float,
) -> Float[Tensor, "M"]:
    """||x - h||^2 of each soft step, with the logits of a few at a time."""

    def of(hidden_MD: Tensor, fed_MD: Tensor) -> Tensor:
        return (fed_MD - mixture(policy.head(hidden_MD), temperature, embedding_VD)).square().sum(-1)

    hidden_MD = steps.hidden_MD[is_soft_A]
    rows = max(1, logits_at_once(policy.device) // policy.vocab_size)
    if len(hidden_MD) <= rows:
        return of(hidden_MD, fed_MD)
    pieces = zip(hidden_MD.split(rows), fed_MD.split(rows), strict=True)
    return torch.cat([checkpoint(of, *piece, use_reentrant=False) for piece in pieces])  # pyright: ignore[reportArgumentType]
