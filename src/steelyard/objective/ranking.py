"""How far down a ranking a limited number of places reaches, with equals sharing what is left.

    share_k = clip((places - |{j: x_j > x_k}|) / |{j: x_j = x_k}|, 0, 1)

P prompts, K things that are ranked within each. Shares sum to the number of places where there are as many in the mask;
the order of equals does not matter.
"""

from jaxtyping import Bool, Float
from torch import Tensor


def top_share(
    x_PK: Float[Tensor, "P K"], mask_PK: Bool[Tensor, "P K"], places_P1: Tensor | float
) -> Float[Tensor, "P K"]:
    """Each entry's share of a place among the greatest: 1, 0, or between where equals span the last place.

    Args:
        x_PK: what is ranked.
        mask_PK: which entries count; others get 0.
        places_P1: how many are taken of each row, also a fraction.
    """
    pairs_PKK = mask_PK[:, None, :] & mask_PK[..., None]
    above_PK = (pairs_PKK & (x_PK[:, None, :] > x_PK[..., None])).sum(-1)
    equal_PK = (pairs_PKK & (x_PK[:, None, :] == x_PK[..., None])).sum(-1).clamp(min=1)
    return ((places_P1 - above_PK) / equal_PK).clamp(0, 1).to(x_PK.dtype).where(mask_PK, 0.0)
