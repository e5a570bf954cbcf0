"""Low-rank adapters: train W + (alpha / rank) B A with W frozen, B [out, rank], A [rank, in], B = 0 at the start.

Source: Hu et al. 2021, arXiv:2106.09685; the work is peft's.
"""

import copy
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from msgspec import Meta

from steelyard.core import Positive, PositiveInt, ShareBelowOne, SteelyardError, checked

Targets = Annotated[str, Meta(pattern=r"[^ ,]", description="all-linear, or name endings separated by commas")]


@checked("lora")
@dataclass(frozen=True)
class LoRA:
    """Train low-rank adapters instead of the whole model; at the start they change nothing."""

    rank: PositiveInt = 8
    """Rank of each adapter."""
    alpha: Positive = 16.0
    """Scale: the update is (alpha / rank) B A."""
    dropout: ShareBelowOne = 0.0
    """Share of the adapters' inputs dropped while a gradient is taken; 0 keeps log-probabilities exact."""
    targets: Targets = "all-linear"
    """Which layers: all-linear (all but the head), or name endings separated by commas, as in q_proj,v_proj."""


def adapt(model: torch.nn.Module, lora: LoRA, seed: int) -> Any:
    """Put adapters into `model`, in place, and freeze all else; returns peft's tuner, which can merge them.

    The adapters are float32 whatever the model is: in bfloat16 small updates would round away.

    Raises:
        SteelyardError: the model has none of the layers that `lora.targets` names.
    """
    import peft
    from transformers.pytorch_utils import Conv1D

    names = [name.strip() for name in lora.targets.split(",") if name.strip()]
    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # pyright: ignore[reportArgumentType]
        lora_dropout=lora.dropout,
        target_modules="all-linear" if names == ["all-linear"] else names,
        fan_in_fan_out=any(isinstance(m, Conv1D) for m in model.modules()),  # GPT-2 stores its weights transposed
    )
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            adapted = peft.LoraModel(model, config, "default")
    except ValueError as error:
        hint = "name layers that the model has, or all-linear"
        raise SteelyardError(str(error), where="lora.targets", hint=hint) from error
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return adapted


def merged(adapted: Any) -> Any:
    """A copy of the model with the adapters added into its own weights."""
    return copy.deepcopy(adapted).merge_and_unload()


@torch.no_grad()
def changes(model: Any) -> dict[str, torch.Tensor]:
    """Name -> W + (alpha / rank) B A of every layer that has adapters."""
    adapted = ((name, layer) for name, layer in model.named_modules() if hasattr(layer, "get_delta_weight"))
    weights = ((name, layer.base_layer.weight, layer.get_delta_weight("default")) for name, layer in adapted)
    return {f"{name}.weight": (weight + delta).to(weight.dtype) for name, weight, delta in weights}
