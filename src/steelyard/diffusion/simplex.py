"""Words as points of a simplex, so that a gradient can choose them.

    project(u) = max(u - mu, 0), with mu such that it sums to 1          the nearest point of the simplex
    forward   one word drawn from u          backward   du = clamp(d(word), -1, 1)

u [.., V] has one number for each word.
Sources: the projection of Duchi et al. 2008, doi:10.1145/1390156.1390191; the straight-through draw of
arXiv:2310.11868, from its released code, which finds mu by bisection.
"""

import torch
from jaxtyping import Float
from torch import Tensor

LARGEST = 1.0
"""Of a number of a gradient."""


def projected(point_RV: Float[Tensor, "*R V"]) -> Float[Tensor, "*R V"]:
    """The nearest points of the simplex."""
    sorted_RV = point_RV.sort(-1, descending=True).values
    count_V = torch.arange(1, point_RV.shape[-1] + 1)
    mu_RV = (sorted_RV.cumsum(-1) - 1) / count_V
    inside_R1 = (sorted_RV > mu_RV).sum(-1, keepdim=True)
    return (point_RV - mu_RV.gather(-1, inside_R1 - 1)).clamp(min=0)


def one_drawn(point_RV: Float[Tensor, "*R V"], draws: torch.Generator) -> Float[Tensor, "*R V"]:
    """A word of each point, as a row with a single 1; the gradient passes straight through, clamped."""
    flat_MV = point_RV.detach().flatten(0, -2)
    word_M = torch.multinomial(flat_MV, 1, generator=draws)[:, 0]
    drawn_RV = torch.nn.functional.one_hot(word_M, point_RV.shape[-1]).to(point_RV.dtype).view_as(point_RV)
    through_RV = point_RV.clone()
    through_RV.register_hook(lambda grad: grad.clamp(-LARGEST, LARGEST))
    return drawn_RV + through_RV - through_RV.detach()
