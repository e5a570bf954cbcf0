"""The value vectors of a decoder: the columns of each feed-forward part's last matrix, where facts are said to lie.

FFN(x) = sum_j a_j(x) v_j,    v_j in R^D is value vector j of a layer, a_j(x) how strongly x calls for it
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from steelyard.core import require
from steelyard.model.intervention import LAST, site_module
from steelyard.policy import Policy


@dataclass(frozen=True)
class Place:
    """Where a value vector stands."""

    layer: int
    number: int

    def __str__(self) -> str:
        return f"layers.{self.layer}.{self.number}"


def num_layers(policy: Policy) -> int:
    """Layers of a policy's decoder."""
    return int(policy.model.config.num_hidden_layers)


def down_projection(policy: Policy, layer: int) -> nn.Module:
    """The module that holds a layer's value vectors; it maps M activations to D numbers.

    Raises:
        SteelyardError: the layer has no such module, as with a mixture of experts.
    """
    part = site_module(policy.model, num_layers(policy), f"layers.{layer}.mlp")
    found = next((getattr(part, name) for name in LAST if hasattr(part, name)), None)
    hint = f"take a model whose feed-forward parts end in one of {', '.join(LAST)}"
    known = isinstance(getattr(found, "weight", None), Tensor) and found is not None and found.weight.ndim == 2
    require(known, f"layer {layer} has no matrix of value vectors", where="value vectors", hint=hint)
    assert found is not None
    return found


def value_vectors(policy: Policy, layer: int) -> Float[Tensor, "M D"]:
    """A layer's value vectors, as a view of the weights."""
    module = down_projection(policy, layer)
    weight = module.weight
    assert isinstance(weight, Tensor)
    # A Conv1D of GPT-2 keeps inputs first, a linear map outputs first.
    return weight.detach() if type(module).__name__ == "Conv1D" else weight.detach().T


@torch.no_grad()
def projected(policy: Policy, vector_MD: Float[Tensor, "M D"]) -> Float[Tensor, "M V"]:
    """What vectors say for each token, were they all that reaches the head."""
    return vector_MD @ policy.head.weight.T
