"""Gradient checkpointing: a layer keeps its input alone and is computed again in the backward pass.

    kept for L layers of S tokens:   L S D numbers, in place of all that the layers compute on the way
    computed:                        one more forward pass, about a third more of a step

D hidden size. A layer computed again gives the same numbers, so the gradient is the same but for the order of sums.
Source: Chen et al. 2016, arXiv:1604.06174; the work is torch's.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from steelyard.core import require


def checkpoint_layers(model: nn.Module) -> None:
    """Have every layer of the model's backbone computed again in the backward pass.

    Raises:
        SteelyardError: the model has no list of layers.
    """
    layers = layers_of(model)
    hint = "leave it out: the model has no list of layers"
    require(bool(layers), "cannot be used", where="--learner.gradient-checkpointing", hint=hint)
    for layer in layers:
        layer.forward = partial(_again, layer.forward)


def layers_of(model: nn.Module) -> list[nn.Module]:
    """The layers: the longest list of modules that is not inside another one."""
    outer: dict[str, nn.ModuleList] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and not any(name.startswith(f"{known}.") for known in outer):
            outer[name] = module
    return [*max(outer.values(), key=len, default=())]


def _again(forward: Callable[..., Any], *inputs: Any, **named: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*inputs, **named)
    return checkpoint(forward, *inputs, use_reentrant=False, **named)
