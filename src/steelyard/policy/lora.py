"""Low-rank adapters: train W + (alpha / rank) B A with W frozen, B [out, rank], A [rank, in], B = 0 at the start.

A model whose head is its embedding stays so while adapters train. Adapters of one of the two, or of both, part what is
added: head and embedding are then saved, and read by engines, as two matrices, and config.json says that they differ.
Source: Hu et al. 2021, arXiv:2106.09685; the work is peft's.
"""

import copy
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from msgspec import Meta

from steelyard.core import Positive, PositiveInt, ShareBelowOne, SteelyardError, checked, require, suggest

_SETTLED = (
    ".*tie_word_embeddings=True",
    "fan_in_fan_out is set to True but",
    "The following (rank|alpha)_pattern keys did not match",
)
"""What peft warns of and is seen to here: `merged` parts tied weights; GPT-2's head is not stored as its layers are;
peft's own patterns for fused experts name tensors that all-linear reaches by other names."""
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

    @classmethod
    def of(cls, rank: int, alpha: float, dropout: float, targets: str) -> "LoRA | None":
        """The adapters of a run's flags; None at rank 0, where all weights are trained."""
        return cls(rank, alpha, dropout, targets) if rank else None


def adapt(model: torch.nn.Module, lora: LoRA, seed: int) -> Any:
    """Put adapters into `model`, in place, and freeze all else; returns peft's tuner, which can merge them.

    The adapters are float32 whatever the model is: in bfloat16 small updates would round away.

    Raises:
        SteelyardError: the model has no layer of a name in `lora.targets`, or one that can have no adapter.
    """
    import peft
    from transformers.pytorch_utils import Conv1D

    names = [name.strip() for name in lora.targets.split(",") if name.strip()]
    if names != ["all-linear"]:
        _check_names(names, model)
    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # pyright: ignore[reportArgumentType]
        lora_dropout=lora.dropout,
        target_modules="all-linear" if names == ["all-linear"] else names,
        fan_in_fan_out=any(isinstance(m, Conv1D) for m in model.modules()),  # GPT-2 stores its weights transposed
    )
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            for settled in _SETTLED:
                warnings.filterwarnings("ignore", settled)
            torch.manual_seed(seed)
            adapted = peft.LoraModel(model, config, "default")
    except ValueError as error:
        hint = "name layers that the model has, or all-linear"
        reason = textwrap.shorten(str(error), 200)
        raise SteelyardError(reason, where="lora.targets", hint=hint) from error
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return adapted


def _check_names(names: Sequence[str], model: torch.nn.Module) -> None:
    """Refuse a name that no layer has; peft goes on without a word where others match."""
    layers = [name for name, _ in model.named_modules() if name]
    endings = {name.rpartition(".")[2] for name in layers}
    for name in names:
        found = any(layer == name or layer.endswith(f".{name}") for layer in layers)
        hint = suggest(name, sorted(ending for ending in endings if not ending.isdigit()))
        require(found, f"the model has no layer {name!r}", where="lora.targets", hint=hint)


def parts_tie(model: Any) -> bool:
    """True where head and embedding are one matrix, and adapters make two of it."""
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    read, write = (getattr(layer, "base_layer", layer) for layer in ends)
    return read.weight is write.weight and any(hasattr(layer, "base_layer") for layer in ends)


def head_name(model: Any) -> str:
    """The name of the head's weight."""
    head = model.get_output_embeddings()
    return next(f"{name}.weight" for name, module in model.named_modules() if module is head)


@torch.no_grad()
def merged(adapted: Any) -> Any:
    """A copy of the model with the adapters added into its own weights."""
    added = changes(adapted.model)
    parted = parts_tie(adapted.model)
    plain = copy.deepcopy(adapted).unload()
    if parted:
        _untie(plain)
    for name, weight in added.items():
        plain.get_parameter(name).copy_(weight)
    return plain


def _untie(model: Any) -> None:
    head = model.get_output_embeddings()
    head.weight = torch.nn.Parameter(head.weight.detach().clone(), requires_grad=False)
    for config in {id(c): c for c in (model.config, model.config.get_text_config())}.values():
        config.tie_word_embeddings = False


@torch.no_grad()
def changes(model: Any) -> dict[str, torch.Tensor]:
    """Name -> W + (alpha / rank) B A of every layer that has adapters."""
    weights = ((*_own_weight(name, layer), layer.get_delta_weight("default")) for name, layer in _adapted(model))
    return {name: (weight + delta).to(weight.dtype) for name, weight, delta in weights}


def changed_names(model: Any) -> set[str]:
    """The names in `changes`."""
    return {_own_weight(name, layer)[0] for name, layer in _adapted(model)}


def _adapted(model: Any) -> Iterator[tuple[str, Any]]:
    return ((name, layer) for name, layer in model.named_modules() if hasattr(layer, "get_delta_weight"))


def _own_weight(name: str, layer: Any) -> tuple[str, torch.Tensor]:
    """The weight W of a layer with adapters, and its name in the model without them.

    peft adapts experts that are stored as one tensor by wrapping the module once for each of its tensors.
    """
    parameter = getattr(layer, "parameter_name", "weight")
    weight = layer.get_param() if hasattr(layer, "get_param") else layer.base_layer.weight
    return f"{name.replace('.base_layer', '')}.{parameter}", weight


def check_reached(model: torch.nn.Module, logits_of: Callable[[torch.nn.Module], torch.Tensor] | None = None) -> None:
    """Take one gradient, and refuse adapters that it does not reach: they would stay as they are, without a word.

    Adapters of the same place in different layers are judged together: not every expert reads every token.

    Args:
        model: with its adapters.
        logits_of: runs the model; by default on its first tokens.

    Raises:
        SteelyardError: no adapter of some place gets a gradient.
    """
    adapters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    with torch.enable_grad():
        total = (logits_of or _logits)(model).float().sum()
        if total.requires_grad:
            total.backward()
    reached: dict[str, bool] = {}
    for name, p in adapters.items():
        place = re.sub(r"\.\d+(?=\.)", "", name.partition(".lora_")[0])
        reached[place] = reached.get(place, False) or p.grad is not None
        p.grad = None
    missed = sorted(place for place, found in reached.items() if not found)
    what = f"no gradient reaches the adapters of {', '.join(missed[:3])}"
    require(not missed, what, where="lora.targets", hint="name other layers, as in q_proj,v_proj")


def _logits(model: Any) -> torch.Tensor:
    head = model.get_output_embeddings()
    tokens = torch.arange(min(32, head.weight.shape[0]), device=head.weight.device)[None]
    return head(model.base_model(input_ids=tokens, use_cache=False)[0])
