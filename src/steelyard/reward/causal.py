"""Causal reward modelling: scores are to be distributed alike, whatever a spurious attribute of the response is.

    L = L_BT + weight * mean over pairs of bins (b, b') of MMD^2(r | z in b, r | z in b')
    MMD^2(r | b, r | b') = mean k(r, r') in b + mean k(r, r') in b' - 2 mean k(r, r') across       k Gaussian

z is the attribute, its length say, in M bins of equal counts, or one for each value where it has no more; r the score.
N responses, chosen and rejected. Conditional: the sum of the same among chosen and among rejected responses only, where
what the attribute says of the label may stay. Means within a bin leave out a response with itself; a bin with fewer
than two responses in a batch is left out.
Unconfirmed: the kernel, here the mean of three whose widths are .5, 1 and 2 medians of the batch's distances; that
pairs of bins weigh alike; that r is the score and no hidden state; weight and M.
Source: Wang et al. 2025, arXiv:2501.09620; the estimator of MMD: Gretton et al. 2012.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import tyro
from jaxtyping import Float, Int, Shaped
from msgspec import Meta
from torch import Tensor
from torch.nn.functional import one_hot

from steelyard.core import NonNegative, method, require

WIDTHS = (0.5, 1.0, 2.0)
"""Widths of the kernels, as shares of the median distance."""


@method(
    "causal-rm",
    paper="arXiv:2501.09620",
    claim="Sycophancy falls from 93 to 20 % and bias by length, concept and group with it, at equal utility",
)
@dataclass(frozen=True)
class CausalRM:
    """What a reward model's scores must not depend on, and how strongly."""

    weight: Annotated[NonNegative, tyro.conf.arg(name="causal-weight")] = 1.0
    """Of the penalty, beside the loss of the pairs; 0 for none."""
    bins: Annotated[int, Meta(ge=2, le=64), tyro.conf.arg(name="causal-bins")] = 4
    """Bins of the attribute, M; a batch should have 16 responses and more for each."""
    conditional: Annotated[bool, tyro.conf.arg(name="causal-conditional")] = False
    """Compare chosen with chosen and rejected with rejected responses only."""

    def bins_of(self, attribute_N: Shaped[np.ndarray, "N"]) -> Int[np.ndarray, "N"]:
        """The bin of each response, from 0.

        Raises:
            SteelyardError: all have the same attribute.
        """
        values, place_N = np.unique(attribute_N, return_inverse=True)
        hint = "name columns of an attribute that differs, or leave the penalty out"
        require(len(values) > 1, "all responses have the same attribute", where="causal-rm", hint=hint)
        if len(values) <= self.bins:
            return place_N
        edges = np.quantile(attribute_N, np.linspace(0, 1, self.bins + 1)[1:-1])
        return np.searchsorted(np.unique(edges.clip(max=values[-2])), attribute_N)

    def __call__(
        self,
        chosen_N: Float[Tensor, "N"],
        rejected_N: Float[Tensor, "N"],
        chosen_bin_N: Int[Tensor, "N"],
        rejected_bin_N: Int[Tensor, "N"],
    ) -> Float[Tensor, ""]:
        """The weighted penalty of N pairs, from their scores and bins."""
        if self.conditional:
            return self.weight * (dependence(chosen_N, chosen_bin_N) + dependence(rejected_N, rejected_bin_N))
        both_N = torch.cat([chosen_N, rejected_N])
        return self.weight * dependence(both_N, torch.cat([chosen_bin_N, rejected_bin_N]))


def dependence(score_N: Float[Tensor, "N"], bin_N: Int[Tensor, "N"]) -> Float[Tensor, ""]:
    """The mean of MMD^2 over all pairs of bins with two responses and more; 0 where there is no such pair."""
    member_NM = one_hot(bin_N.long()).to(score_N.dtype)
    member_NM = member_NM[:, member_NM.sum(0) > 1]
    count_M = member_NM.sum(0)
    if len(count_M) < 2:
        return score_N.sum() * 0.0
    kernel_NN = kernel(score_N)
    across_MM = member_NM.T @ kernel_NN @ member_NM / (count_M[:, None] * count_M)
    apart_NN = kernel_NN - torch.diag(kernel_NN.diagonal())
    within_M = (member_NM.T @ apart_NN @ member_NM).diagonal() / (count_M * (count_M - 1))
    mmd_MM = within_M[:, None] + within_M - 2 * across_MM
    return mmd_MM[torch.triu(torch.ones_like(mmd_MM), 1).bool()].mean()


def kernel(score_N: Float[Tensor, "N"]) -> Float[Tensor, "N N"]:
    """k of each two scores; no gradient passes through its widths."""
    distance_NN = (score_N[:, None] - score_N).abs()
    median = distance_NN.detach()[~torch.eye(len(score_N), dtype=torch.bool, device=score_N.device)].median()
    width = median.clamp(min=1e-6)
    parts = [torch.exp(-((distance_NN / (share * width)) ** 2) / 2) for share in WIDTHS]
    return torch.stack(parts).mean(0)
