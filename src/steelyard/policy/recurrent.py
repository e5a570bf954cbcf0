"""Models with recurrent layers (Mamba, gated delta rules, RWKV, ...), read whole: rows side by side, without a cache.

A recurrent state takes in every token before it, padding too, and cannot be cut at a token. So rows begin at their
first token and are padded at the end, which no token looks ahead to, and no state is kept from one call to the next.
That is right for every causal model, and reads T tokens again for each new one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


def keeps_only_keys(model: Any) -> bool:
    """True where the cache of a transformers model is keys and values alone, which a mask hides and rows can share."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, LinearAttentionCacheLayerMixin

    if model._is_stateful:
        return False
    layers = DynamicCache(config=model.config).layers
    return all(isinstance(x, DynamicLayer) and not isinstance(x, LinearAttentionCacheLayerMixin) for x in layers)


@dataclass(frozen=True)
class WholeRows:
    """A backbone that gets every row from its first token on; called as a transformers backbone is."""

    backbone: Callable[..., Any]

    def __call__(
        self, input_ids: Int[Tensor, "N T"], attention_mask: Int[Tensor, "N T"], **_: Any
    ) -> tuple[Float[Tensor, "N T D"]]:
        """Hidden states of rows that are padded on either side; positions are counted from each row's first token."""
        first_N = attention_mask.argmax(1)
        if not first_N.any():
            return (self.backbone(input_ids=input_ids, use_cache=False)[0],)
        steps_T = torch.arange(input_ids.shape[1], device=input_ids.device)
        moved_NT = input_ids.gather(1, (steps_T + first_N[:, None]) % len(steps_T))
        hidden_NTD = self.backbone(input_ids=moved_NT, use_cache=False)[0]
        back_NT = (steps_T - first_N[:, None]) % len(steps_T)
        return (hidden_NTD.gather(1, back_NT[..., None].expand_as(hidden_NTD)),)
