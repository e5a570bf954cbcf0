"""Lin-AcT: the affine map of each neuron that is nearest to its optimal transport from source to target.

    scale, shift = argmin sum_k mass_k (v_k - scale u_k - shift)^2 = cov(u, v) / var(u),  mean(v) - scale mean(u)
    h <- h + strength (scale h + shift - h)                             at every token, in every layer

(u_k, v_k) are the states that the optimal plan pairs, of N source and M target texts (`model/transport.py`). A neuron
whose source states are all alike is shifted only. D hidden size.
The paper fits layer after layer, each to what the model gives once the layers before it are mapped; a steering job
does so with `one_by_one`, which the recipe `lin-act` sets. `fit` alone takes the states as they are.
Differs: a text's state is the mean over its tokens, and maps have no limited support: the paper leaves values alone
that lie outside of what it saw (unconfirmed: the quantiles that bound it).
Source: Rodriguez et al. 2024, arXiv:2410.23054.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from steelyard.core import checked, method
from steelyard.model.affine import SCALE, SHIFT, Affine, AffineSteering, TargetStates
from steelyard.model.intervention import States
from steelyard.model.transport import matched


@method(
    "lin-act",
    paper="arXiv:2410.23054",
    claim="transport of activations, fitted in closed form, steers without training",
)
@checked()
@dataclass(frozen=True)
class LinAcT(AffineSteering):
    """Affine transport maps in closed form."""

    def fit(self, source: States, target: TargetStates) -> Affine:
        """The maps, each site by itself."""
        tensors: dict[str, Tensor] = {}
        for site in source:
            scale_D, shift_D = linear_transport(source[site], target[site])
            tensors |= {f"{SCALE}{site}": scale_D, f"{SHIFT}{site}": shift_D}
        return self.restore(tensors)


def linear_transport(
    u_ND: Float[Tensor, "N D"], v_MD: Float[Tensor, "M D"]
) -> tuple[Float[Tensor, "D"], Float[Tensor, "D"]]:
    """Scale and shift of each neuron."""
    u_KD, v_KD, mass_K = matched(u_ND, v_MD)
    mean_u_D, mean_v_D = mass_K @ u_KD, mass_K @ v_KD
    variance_D = mass_K @ (u_KD - mean_u_D).square()
    covariance_D = mass_K @ ((u_KD - mean_u_D) * (v_KD - mean_v_D))
    scale_D = (covariance_D / variance_D).where(variance_D > 0, 1.0)
    return scale_D, mean_v_D - scale_D * mean_u_D
