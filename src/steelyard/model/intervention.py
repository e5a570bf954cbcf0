"""Interventions: hidden states that are changed at named sites while a model runs; its weights stay as they are.

Sites of a decoder with L layers, i = 0 ... L - 1:

    embeddings            the embeddings of the tokens, before the first layer
    layers.i              the residual stream after layer i
    layers.i.attention    what the attention of layer i adds to the residual stream
    layers.i.mlp          what the feed-forward part of layer i adds to it
    layers.i.mlp.gate     its neurons before their activation: what its gate gives, or without a gate its first matrix
    layers.i.mlp.keys     what its last matrix reads: how strongly each neuron calls for its value vector

The last two have the size of the feed-forward part in the place of D.
A model is read whole, or its prompt first and then one token at a time. Both must give the same, so what an
intervention does to a token of the completion depends on that token's hidden state alone; what it does to a token of
the prompt may depend on the whole prompt. In a later turn everything that was read before it counts as its prompt.
Shapes: N rows, T tokens of this pass, D hidden size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from steelyard.core import require

EMBEDDINGS = "embeddings"
KEYS = ".mlp.keys"
"""How a site ends that is what a module reads; at all others it is what the module gives."""
_PARTS = {"attention": ("self_attn", "attn", "attention"), "mlp": ("mlp", "feed_forward", "block_sparse_moe")}
FIRST = ("gate_proj", "c_fc", "fc1", "dense_h_to_4h", "fc_in", "w1")
"""What model families call the matrix before the activation."""
LAST = ("down_proj", "c_proj", "fc2", "dense_4h_to_h", "fc_out", "w2")
"""What they call the last matrix, whose columns are the value vectors."""
_INSIDE = {"gate": FIRST, "keys": LAST}


@dataclass(frozen=True)
class Pass:
    """The tokens that a model is reading now."""

    tokens_NT: Int[Tensor, "N T"]
    """The tokens."""
    real_NT: Bool[Tensor, "N T"]
    """False at padding, where hidden states are arbitrary."""
    prompt_NT: Bool[Tensor, "N T"]
    """True at the tokens of the prompt."""


@runtime_checkable
class Intervention(Protocol):
    """Changes hidden states at its sites. It draws nothing and remembers nothing."""

    def sites(self, num_layers: int) -> Sequence[str]:
        """The sites that it changes, in a model of so many layers."""
        ...

    def change(self, site: str, hidden_NTD: Float[Tensor, "N T D"], reads: Pass) -> Float[Tensor, "N T D"]:
        """New hidden states at a site, of the same shape and type; those that it was given stay as they are."""
        ...


States = Mapping[str, Float[Tensor, "N D"]]
"""Site -> the mean hidden state of each of N texts."""


@runtime_checkable
class Steering(Protocol):
    """Settings of an intervention that is fitted to the hidden states of two sets of texts."""

    def sites(self, num_layers: int) -> Sequence[str]:
        """The sites whose hidden states it is fitted to."""
        ...

    def fit(self, source: States, target: States) -> Intervention:
        """The intervention that leads from source to target."""
        ...


def site_module(model: nn.Module, num_layers: int, site: str) -> nn.Module:
    """The module that gives the hidden states at `site`, or reads them where the site ends in `KEYS`.

    The embedding of tokens is not looked for here.

    Args:
        model: the decoder, of transformers or of our own.
        num_layers: L.
        site: a name of this module's table.

    Raises:
        SteelyardError: the model has no such site.
    """
    number, _, path = site.removeprefix("layers.").partition(".")
    part, _, matrix = path.partition(".")
    inside = site.startswith("layers.") and number.isdecimal() and int(number) < num_layers
    hint = f"use {EMBEDDINGS}, or layers.0 to layers.{num_layers - 1}, alone or with .{' or .'.join(_PARTS)} after it"
    known = inside and (path in ("", *_PARTS) or (part == "mlp" and matrix in _INSIDE))
    require(known, f"the model has no site {site!r}", where="intervention", hint=hint)
    lists = (m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == num_layers)
    layers = next(lists, None)
    require(layers is not None, "the model has no list of layers", where="intervention", hint="take another model")
    assert layers is not None
    layer = layers[int(number)]
    names = _PARTS[part] if part else ()
    found = next((getattr(layer, name) for name in names if hasattr(layer, name)), None) if part else layer
    require(found is not None, f"layer {number} has no part that is its {part}", where="intervention", hint=hint)
    assert isinstance(found, nn.Module)
    return _matrix(found, matrix, number) if matrix else found


def _matrix(part: nn.Module, matrix: str, number: str) -> nn.Module:
    """A matrix of a feed-forward part."""
    found = next((getattr(part, name) for name in _INSIDE[matrix] if hasattr(part, name)), None)
    hint = f"take a model whose feed-forward parts have one of {', '.join(_INSIDE[matrix])}"
    what = f"the feed-forward part of layer {number} has no {matrix}"
    require(isinstance(found, nn.Module), what, where="intervention", hint=hint)
    assert isinstance(found, nn.Module)
    return found
