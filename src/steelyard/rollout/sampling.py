"""One token for each row, drawn by inverting its cumulative distribution at a given uniform.

    p = softmax(logits / temperature), cut to top_k and then to the top_p nucleus, and normalised again
    token = the first v with p[0] + ... + p[v] > u

Sums are float64, log-probabilities float32. Temperature 0 takes the highest logit, with log-probability 0; temperature
infinity is uniform over all V. Rows of a large vocabulary are drawn one after another, so that the cache holds what is
made of one: 16 rows of 262,144 words 4 times as fast, to the same bits. Shapes: N rows, V vocabulary.
"""

import math

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from steelyard.core import Sampling, require

AT_ONCE = 2**19
"""Logits that are drawn from together."""


def check(sampling: Sampling) -> None:
    """Refuse settings that no distribution has.

    Raises:
        SteelyardError: a field is out of range.
    """
    s = sampling
    require(s.temperature >= 0, f"temperature is {s.temperature}", where="temperature", hint="use 0 (greedy) or more")
    require(0 < s.top_p <= 1, f"top_p is {s.top_p}", where="top_p", hint="use a share above 0, up to 1 (all)")
    require(s.top_k >= 0, f"top_k is {s.top_k}", where="top_k", hint="use 0 (all) or more")
    require(all(s.stop), f"stop is {s.stop}", where="stop", hint="leave out the empty one")
    require(s.max_tokens >= 1, f"max_tokens is {s.max_tokens}", where="max_tokens", hint="use 1 or more")
    require(
        not s.rule, f"rule is {s.rule!r}", where="rule", hint="leave it out, or use CandidateEngine, which follows it"
    )


def warp(logits_NV: Float[Tensor, "N V"], sampling: Sampling) -> Float[Tensor, "N V"]:
    """The logits of the distribution p that tokens are drawn from, at a temperature above 0."""
    return cut(logits_NV.float() / sampling.temperature, sampling)


def draw(
    logits_NV: Float[Tensor, "N V"], uniform_N: Float64[Tensor, "N"], sampling: Sampling
) -> tuple[Int64[Tensor, "N"], Float[Tensor, "N"]]:
    """The tokens, and their log-probabilities (nats) under the distribution that they were drawn from.

    Raises:
        SteelyardError: logits that are not finite, or not after the division by the temperature.
    """
    if sampling.temperature == 0:
        highest_N, token_N = logits_NV.max(1)
        check_finite(highest_N)
        return token_N, torch.zeros_like(token_N, dtype=torch.float32)
    rows = max(1, AT_ONCE // logits_NV.shape[1])
    if len(logits_NV) > rows:
        pieces = zip(logits_NV.split(rows), uniform_N.split(rows), strict=True)
        tokens, logps = zip(*(draw(*piece, sampling) for piece in pieces), strict=True)
        return torch.cat(tokens), torch.cat(logps)
    logp_NV = torch.log_softmax(warp(logits_NV, sampling), 1)
    cumulative_NV = logp_NV.double().exp().cumsum(1)
    total_N = cumulative_NV[:, -1]
    check_finite(total_N)  # one value that is not finite spoils its row's sum
    # Rounding must not carry u up to the total, above which lie no tokens.
    point_N = torch.minimum(uniform_N * total_N, torch.nextafter(total_N, torch.zeros_like(total_N)))
    token_N = torch.searchsorted(cumulative_NV, point_N[:, None], right=True)
    return token_N[:, 0], logp_NV.gather(1, token_N)[:, 0]


def check_finite(value_N: Float[Tensor, "N"]) -> None:
    """Refuse logits that are not finite, by one number of each row that they would spoil.

    Raises:
        SteelyardError: one is not finite.
    """
    what = "the model's logits are not finite"
    hint = "look at the model, --learning-rate and --temperature"
    require(bool(torch.isfinite(value_N).all()), what, where="engine", hint=hint)


def cut(scaled_NV: Float[Tensor, "N V"], sampling: Sampling) -> Float[Tensor, "N V"]:
    """Minus infinity outside top_k and the nucleus: the fewest tokens, most probable first, that hold top_p."""
    if sampling.top_k == 0 and sampling.top_p == 1:
        return scaled_NV
    sorted_NV, order_NV = scaled_NV.sort(dim=1, descending=True, stable=True)
    sorted_NV[:, sampling.top_k or sorted_NV.shape[1] :] = -math.inf
    p_NV = sorted_NV.double().softmax(1)
    sorted_NV[p_NV.cumsum(1) - p_NV >= sampling.top_p] = -math.inf
    return torch.empty_like(scaled_NV).scatter_(1, order_NV, sorted_NV)
