"""Checks for attention variants of encoders, each inside a small encoder of its own.

    h_NTD = encoder(tokens_NT, attend_NT)

Shapes: N rows, T tokens, D hidden size.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor
from torch.autograd.gradcheck import gradcheck
from torch.nn.functional import pad

from steelyard.check.cost import Cost, demand_affordable, operations
from steelyard.check.verdict import Check, demand
from steelyard.model import AttentionMask, Encoder, EncoderAttention, EncoderMixing, EncoderSizes, LayerSizes, Rotary
from steelyard.model.encoder import is_own
from steelyard.model.encoder_attention import Carried, SelfAttention
from steelyard.model.positions import Rotation, rotation_of

T = 9
LENGTHS = (T, 5, 2)
SIZES = EncoderSizes(
    vocab_size=12, hidden_size=16, intermediate_size=24, num_layers=3, num_heads=2, context_length=32, head="token"
)
LONG = 1024
"""Tokens at which operations are counted; also the longest text of the encoder that they are counted of."""
LAYERS = 2


def _encoder(attention: EncoderAttention, seed: int = 1) -> Encoder:
    """An encoder with this attention and weights that are nowhere trivial."""
    made = Encoder(replace(SIZES, attention=attention), seed=seed)
    draws = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=draws))
    return made.eval()


def _modules(encoder: Encoder) -> list[EncoderMixing]:
    """The attention of each layer."""
    return [module for module in encoder.modules() if isinstance(module, EncoderMixing)]


def _rows() -> tuple[Tensor, Tensor]:
    tokens_NT = torch.randint(1, 12, (len(LENGTHS), T), generator=torch.Generator().manual_seed(0))
    return tokens_NT, (torch.arange(T) < torch.tensor(LENGTHS)[:, None]).long()


def _same(found: Tensor, expected: Tensor, what: str) -> None:
    far = float((found - expected).detach().abs().max())
    demand(torch.allclose(found, expected, atol=1e-4, rtol=1e-4), f"{what} (by {far:.1e})")


@torch.no_grad()
def encoder_shapes(attention: EncoderAttention) -> None:
    """Each layer gets a module; each token gets one finite vector, also in bfloat16."""
    encoder = _encoder(attention)
    demand(all(isinstance(layer.attn, EncoderMixing) for layer in encoder.model.layers), "build gives no EncoderMixing")
    for dtype in (torch.float32, torch.bfloat16):
        hidden_NTD = encoder.to(dtype).hidden(*_rows())
        demand(hidden_NTD.shape == (len(LENGTHS), T, 16), f"the hidden states are {[*hidden_NTD.shape]}")
        demand(hidden_NTD.dtype is dtype, f"weights in {dtype} give states in {hidden_NTD.dtype}")
        demand(bool(hidden_NTD[_rows()[1].bool()].isfinite().all()), "a number is not finite")


@torch.no_grad()
def encoder_seeded(attention: EncoderAttention) -> None:
    """One seed gives one encoder, another another; two calls agree, and torch's own generator is left alone."""
    sizes = replace(SIZES, attention=attention)
    made = [Encoder(sizes, seed=seed).eval() for seed in (3, 3, 4)]
    before = torch.get_rng_state()
    first, again, other = (encoder.hidden(*_rows()) for encoder in made)
    real = _rows()[1].bool()
    demand(torch.equal(first[real], again[real]), "two encoders of one seed differ")
    demand(not torch.equal(first[real], other[real]), "encoders of two seeds are alike")
    demand(torch.equal(first[real], made[0].hidden(*_rows())[real]), "two calls differ")
    kept = {
        name for name, p in made[0].named_parameters() if p.ndim > 1 and torch.equal(p, made[2].get_parameter(name))
    }
    demand(not kept, f"{', '.join(sorted(kept))} is not drawn with the seed")
    demand(torch.equal(before, torch.get_rng_state()), "it draws from torch's global generator when it runs")


@torch.no_grad()
def encoder_padding(attention: EncoderAttention) -> None:
    """A text gets what it gets alone, whatever stands at the padding behind it and however wide that is."""
    encoder = _encoder(attention)
    tokens_NT, attend_NT = _rows()
    wide_NT = pad(tokens_NT, (0, 3)).masked_fill(~pad(attend_NT, (0, 3)).bool(), 7)
    padded = encoder.hidden(wide_NT, pad(attend_NT, (0, 3)))
    for row, length in enumerate(LENGTHS):
        part = slice(row, row + 1)
        alone = encoder.hidden(tokens_NT[part, :length], attend_NT[part, :length])
        _same(padded[row, :length], alone[0], "padding reaches a token, or a row's company does")


@torch.no_grad()
def encoder_rows(attention: EncoderAttention) -> None:
    """Rows in another order give the same results in that order."""
    encoder = _encoder(attention)
    order = torch.tensor([2, 0, 1])
    tokens_NT, attend_NT = _rows()
    real = attend_NT[order].bool()
    moved = encoder.hidden(tokens_NT[order], attend_NT[order])
    _same(moved[real], encoder.hidden(tokens_NT, attend_NT)[order][real], "a row's place matters")


@torch.no_grad()
def encoder_hears(attention: EncoderAttention) -> None:
    """Through the layers, a token hears what comes before it and what comes after it."""
    encoder = _encoder(attention)
    tokens_NT, attend_NT = (x[:1] for x in _rows())
    before = encoder.hidden(tokens_NT, attend_NT)[0]
    for changed, hearer, where in ((T - 1, 0, "after"), (0, T - 1, "before")):
        other_NT = tokens_NT.clone()
        other_NT[0, changed] = 1 + tokens_NT[0, changed] % 11
        moved = float((encoder.hidden(other_NT, attend_NT)[0, hearer] - before[hearer]).abs().max())
        demand(moved > 1e-5, f"a token hears nothing of what comes {where} it")


def encoder_gradient(attention: EncoderAttention) -> None:
    """Every weight that is trained gets a finite gradient, and the tokens get that of finite differences."""
    encoder = _encoder(attention)
    encoder.loss(*_rows(), _rows()[0] % 2).backward()
    for name, parameter in encoder.named_parameters():
        if parameter.requires_grad:
            reached = parameter.grad is not None and bool(parameter.grad.isfinite().all() and parameter.grad.any())
            demand(reached, f"{name} gets no finite gradient")
    (module, *_) = _modules(encoder.double())
    x_NTD = torch.randn(1, 4, 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64).requires_grad_()
    rotation, mask = _around(x_NTD)
    right = gradcheck(lambda x: module(x, rotation, mask, None)[0], x_NTD, raise_exception=False, fast_mode=True)
    demand(bool(right), "a gradient is not that of finite differences")


@torch.no_grad()
def encoder_saved(attention: EncoderAttention) -> None:
    """Saved and loaded it is the same encoder, and its config is one that transformers refuses."""
    encoder = _encoder(attention)
    demand(is_own(encoder.sizes.config()), "its config.json is one that transformers takes for its own")
    with tempfile.TemporaryDirectory() as place:
        encoder.save(Path(place))
        again = Encoder.load(Path(place))
    demand(again.sizes == encoder.sizes, f"what is loaded has the attention {again.sizes.attention}")
    real = _rows()[1].bool()
    demand(torch.equal(again.hidden(*_rows())[real], encoder.hidden(*_rows())[real]), "what is loaded computes another")


def encoder_cost(attention: EncoderAttention) -> None:
    """The operations are not many more than full attention's (see `steelyard.check.cost`)."""
    demand_affordable(cost_of(attention))


def cost_of(attention: EncoderAttention) -> Cost:
    """The operations of a layer on a text of `LONG` tokens, and on one of half as many, projections included."""
    half, whole = (_operations(attention, steps) for steps in (LONG // 2, LONG))
    return Cost(LONG, half, whole, _operations(None, LONG))


def _operations(attention: EncoderAttention | None, steps: int) -> int:
    """Of a mean layer: `LAYERS` of them, with what is carried from one to the next."""
    sizes = [LayerSizes(16, 2, LONG, layer) for layer in range(LAYERS)]
    modules = [SelfAttention(size) if attention is None else attention.build(size) for size in sizes]
    x_NTD = torch.ones(1, steps, 16)
    rotation, mask = _around(x_NTD)

    def run() -> None:
        carried: Carried = None
        for module in modules:
            _, carried = module(x_NTD, rotation, mask, carried)

    return operations(run) // LAYERS


def _around(x_NTD: Tensor) -> tuple[Rotation, AttentionMask]:
    """Rotary positions and the mask of texts without padding, for two heads of eight numbers."""
    steps = x_NTD.shape[1]
    rotation = rotation_of(torch.arange(steps)[None], Rotary(100.0).inverse_frequencies(8), 2, x_NTD.dtype)
    return rotation, AttentionMask.bidirectional(torch.ones(len(x_NTD), steps, dtype=torch.long), x_NTD)


ENCODER_ATTENTION_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "encoder-shapes": encoder_shapes,
        "encoder-seeded": encoder_seeded,
        "encoder-padding": encoder_padding,
        "encoder-rows": encoder_rows,
        "encoder-hears": encoder_hears,
        "encoder-gradient": encoder_gradient,
        "encoder-saved": encoder_saved,
        "encoder-cost": encoder_cost,
    }
)
