"""Checks for attention variants of decoders: functions of queries and keys that obey the mask, and nothing else.

    out[h, n, x] = sum_y weight(q[h, n, x], k[:, n]) v[g(h), n, y],   y not after x and not padding

Shapes: H query heads, K key heads, N rows, X queries, Y keys, E head size, T tokens of a row.
"""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.autograd.gradcheck import gradcheck

from steelyard.check.cost import Cost, demand_affordable, operations
from steelyard.check.verdict import Check, demand
from steelyard.core import SteelyardError
from steelyard.model import Architecture, AttentionMask, Decoder, GroupedQuery, Mix, Rotary, attend
from steelyard.policy.logp import positions_of
from steelyard.policy.prefix_sharing import shared_states

H = 4
N = 3
T = 7
E = 6
LENGTHS = (T, 4, 2)
ROTARY = Rotary(100.0)
LONG = 256
"""Tokens at which operations are counted."""
Triple = tuple[Tensor, Tensor, Tensor]


def _kv_heads(mix: Mix) -> int:
    """Two key heads for four query heads, or as many of both where the variant needs that."""
    try:
        mix.check(H, 2)
    except SteelyardError:
        return H
    return 2


def _normal(*shape: int, seed: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def _qkv(mix: Mix, rows: int = N, steps: int = T, dtype: torch.dtype = torch.float32) -> Triple:
    kv = _kv_heads(mix)
    q = _normal(H, rows, steps, E, seed=1, dtype=dtype)
    return q, _normal(kv, rows, steps, E, seed=2, dtype=dtype), _normal(kv, rows, steps, E, seed=3, dtype=dtype)


def _causal(q: Tensor, attend_NT: Tensor | None = None) -> AttentionMask:
    rows = None if attend_NT is None else attend_NT.long()
    return AttentionMask.of_rows(rows, q.shape[2], q, rotary=ROTARY)


def _attended() -> Tensor:
    """True at the tokens of rows of several lengths, padded on the right."""
    return torch.arange(T) < torch.tensor(LENGTHS)[:, None]


def _near(found: Tensor, expected: Tensor, what: str) -> None:
    far = float((found - expected).detach().abs().max())
    demand(torch.allclose(found, expected, atol=1e-4, rtol=1e-4), f"{what} (by {far:.1e})")


def attention_shapes(mix: Mix) -> None:
    """One finite vector for each query, in the type of the queries; the inputs stay unchanged."""
    for dtype in (torch.float32, torch.bfloat16):
        q, k, v = _qkv(mix, dtype=dtype)
        before = [x.clone() for x in (q, k, v)]
        out = mix(q, k, v, _causal(q, _attended()))
        demand(out.shape == q.shape, f"queries {[*q.shape]} get {[*out.shape]}")
        demand(out.dtype is dtype, f"queries in {dtype} get {out.dtype}")
        demand(bool(out.isfinite().all()), "a number is not finite")
        same = all(torch.equal(x, y) for x, y in zip((q, k, v), before, strict=True))
        demand(same, "it changes its inputs")


def attention_repeatable(mix: Mix) -> None:
    """Two calls agree, and torch's own generator is left alone."""
    q, k, v = _qkv(mix)
    state = torch.get_rng_state()
    demand(torch.equal(mix(q, k, v, _causal(q)), mix(q, k, v, _causal(q))), "two calls differ")
    demand(torch.equal(state, torch.get_rng_state()), "it draws from torch's global generator")


def attention_causal(mix: Mix) -> None:
    """No query hears of a later key, and the last query alone, over all keys, gets what it gets among others."""
    q, k, v = _qkv(mix)
    whole = mix(q, k, v, _causal(q))
    for at in range(T - 1):
        later_k, later_v = (x.index_fill(2, torch.arange(at + 1, T), 3.0) for x in (k, v))
        _near(mix(q, later_k, later_v, _causal(q))[:, :, : at + 1], whole[:, :, : at + 1], "a later key is heard")
    last = mix(q[:, :, -1:], k, v, AttentionMask.of_rows(None, T, q, before=T - 1, rotary=ROTARY))
    _near(last, whole[:, :, -1:], "with a cache of keys, a query gets something else")


def attention_padding(mix: Mix) -> None:
    """Padded on either side, a real token gets what it gets in its row without padding, whatever stands there."""
    q, k, v = _qkv(mix)
    for attend_NT in (_attended(), _attended().flip(1)):
        wild_q, wild_k, wild_v = (x.masked_fill(~attend_NT[None, :, :, None], 50.0) for x in (q, k, v))
        padded = mix(wild_q, wild_k, wild_v, _causal(q, attend_NT))
        for row in range(N):
            real = attend_NT[row]
            own_q, own_k, own_v = (x[:, row : row + 1, real] for x in (q, k, v))
            alone = mix(own_q, own_k, own_v, _causal(own_q))
            _near(padded[:, row, real], alone[:, 0], "padding reaches a real token")


def attention_rows(mix: Mix) -> None:
    """Rows in another order give the same results in that order."""
    q, k, v = _qkv(mix)
    order = torch.tensor([2, 0, 1])
    moved = mix(q[:, order], k[:, order], v[:, order], _causal(q, _attended()[order]))
    real = _attended()[order]
    _near(moved[:, real], mix(q, k, v, _causal(q, _attended()))[:, order][:, real], "a row's place or company matters")


def attention_heads(mix: Mix) -> None:
    """Query heads that share a key head are alike, and so are key heads with their queries."""
    q, k, v = _qkv(mix)
    group = H // len(k)
    whole = mix(q, k, v, _causal(q))
    within = torch.arange(H).view(-1, group).flip(1).flatten()
    _near(mix(q[within], k, v, _causal(q)), whole[within], "the place of a query head within its group matters")
    between = torch.arange(H).view(-1, group).flip(0).flatten()
    _near(mix(q[between], k.flip(0), v.flip(0), _causal(q)), whole[between], "the place of a key head matters")


def attention_gradient(mix: Mix) -> None:
    """The gradients are those of finite differences, and every value that is seen gets one."""
    q, k, v = (x.requires_grad_() for x in _qkv(mix, rows=1, steps=3, dtype=torch.float64))
    mask = _causal(q)
    right = gradcheck(lambda q, k, v: mix(q, k, v, mask), (q, k, v), raise_exception=False, fast_mode=True)
    demand(bool(right), "a gradient is not that of finite differences")
    (by_v,) = torch.autograd.grad(mix(q, k, v, mask).square().sum(), v)
    demand(bool(by_v.abs().amax((0, 1, 3)).all()), "a value that is seen gets no gradient")


def _decoder(mix: Mix) -> Decoder:
    """A small decoder with this attention and weights that are nowhere trivial."""
    made = Decoder(
        Architecture(
            vocab_size=11, hidden_size=12, intermediate_size=10, num_heads=H, num_kv_heads=_kv_heads(mix), head_dim=E,
            context_length=64, eps=1e-6, rotary=ROTARY, attention=(GroupedQuery(),) * 2, tied=True,
            qkv_bias=True, out_bias=False, mlp_bias=False, qk_norm=True,
        ).with_attention(mix)
    )  # fmt: skip
    draws = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_((parameter.ndim == 1) + 0.4 * torch.randn(parameter.shape, generator=draws))
    return made


def attention_shared(mix: Mix) -> None:
    """Rows that share a prompt, computed once each prompt, are the padded rows in value and in gradient."""
    decoder = _decoder(mix)
    tokens_NT = torch.tensor([[1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 8, 9, 0, 0], [4, 1, 2, 2, 0, 0, 0]])
    attend_NT = torch.arange(T) < torch.tensor([7, 5, 4])[:, None]
    action_NT = attend_NT & (torch.arange(T) >= torch.tensor([3, 3, 1])[:, None])
    shared = shared_states(decoder, tokens_NT, attend_NT, action_NT)
    demand(shared is not None, "rows with shared prompts are not computed together")
    assert shared is not None
    (hidden_NTD,) = decoder(tokens_NT, attend_NT.long(), positions_of(attend_NT))
    padded_MD = hidden_NTD[:, :-1][action_NT[:, 1:]]
    _near(shared[0], padded_MD, "with shared prompts, a hidden state differs from that of padded rows")
    for first, second in zip(_gradients(shared[0], decoder), _gradients(padded_MD, decoder), strict=True):
        _near(first, second, "with shared prompts, a gradient differs from that of padded rows")


def _gradients(states: Tensor, decoder: Decoder) -> tuple[Tensor, ...]:
    layers = [*decoder.model.layers.parameters()]
    return torch.autograd.grad(states.square().sum(), layers, materialize_grads=True)


def attention_kernel(mix: Mix) -> None:
    """What the native engine is told to compute is what the variant computes; none is told of a variant without."""
    kernel = mix.decode_kernel()
    if kernel is None:
        return
    q, k, v = _qkv(mix)
    for attend_NT in (None, _attended(), _attended().flip(1)):
        real = slice(None) if attend_NT is None else attend_NT
        mask = _causal(q, attend_NT)
        turned = (mask.turn(q, mask.queries), mask.turn(k, mask.keys)) if mix.turns_itself() else (q, k)
        expected = attend(*turned, v, mask, kernel.window)[:, real]
        _near(mix(q, k, v, mask)[:, real], expected, f"it is not what {kernel} says")


def attention_cost(mix: Mix) -> None:
    """The operations are not many more than full attention's (see `steelyard.check.cost`)."""
    demand_affordable(cost_of(mix))


def cost_of(mix: Mix) -> Cost:
    """The operations of one pass over `LONG` tokens, and over half as many."""
    half, whole = (_operations(mix, steps) for steps in (LONG // 2, LONG))
    q, k, v = _qkv(mix, rows=1, steps=LONG)
    return Cost(LONG, half, whole, operations(lambda: attend(q, k, v, _causal(q))))


def _operations(mix: Mix, steps: int) -> int:
    q, k, v = _qkv(mix, rows=1, steps=steps)
    return operations(lambda: mix(q, k, v, _causal(q)))


ATTENTION_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "attention-shapes": attention_shapes,
        "attention-repeatable": attention_repeatable,
        "attention-causal": attention_causal,
        "attention-padding": attention_padding,
        "attention-rows": attention_rows,
        "attention-heads": attention_heads,
        "attention-gradient": attention_gradient,
        "attention-shared": attention_shared,
        "attention-kernel": attention_kernel,
        "attention-cost": attention_cost,
    }
)
