"""What every attention variant of the package is held to: one contract, and the reductions between variants."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.model import (
    Architecture,
    AttentionMask,
    DecodeKernel,
    Decoder,
    FullAttention,
    GroupedQuery,
    Mix,
    Rotary,
    SlidingWindow,
    attention_by_name,
    attention_names,
    mix,
)
from steelyard.model.key_value_cache import KeyValueCache
from steelyard.policy.logp import positions_of

H, N, T, E = 4, 3, 9, 6
VARIANTS = {"full-attention": (FullAttention(), 4), "grouped-query": (GroupedQuery(), 2)}
VARIANTS |= {f"sliding-window {w}": (SlidingWindow(w), 2) for w in (1, 4, 100)}


@pytest.fixture(params=[mix.SHORT, 0], ids=["products", "fused"], autouse=True)
def kernel(request, monkeypatch):
    """The two ways in which softmax attention is computed."""
    monkeypatch.setattr(mix, "SHORT", request.param)


def _random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _qkv(kv_heads):
    return _random(H, N, T, E, seed=1), _random(kv_heads, N, T, E, seed=2), _random(kv_heads, N, T, E, seed=3)


def _explicit(q, k, v, visible_NXY):
    """The masked softmax, one head and one query at a time."""
    out = torch.zeros_like(q)
    for h in range(q.shape[0]):
        g = h * k.shape[0] // q.shape[0]
        for n in range(q.shape[1]):
            for x in range(q.shape[2]):
                seen = visible_NXY[n, x].nonzero()[:, 0]
                weight = torch.softmax(k[g, n, seen] @ q[h, n, x] / math.sqrt(q.shape[3]), 0)
                out[h, n, x] = weight @ v[g, n, seen]
    return out


def _visible(attention, attend_NT):
    window = attention.decode_kernel().window or 10**9
    return torch.tensor([
        [[bool(attend_NT[n, y]) and x - window < y <= x for y in range(T)] for x in range(T)] for n in range(N)
    ])  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("side", ["none", "right", "left"])
def test_it_is_the_masked_softmax_of_its_equation(name, side):
    attention, kv_heads = VARIANTS[name]
    q, k, v = _qkv(kv_heads)
    attend_NT = torch.arange(T) < torch.tensor([T, 5, 2])[:, None] if side != "none" else torch.ones(N, T).bool()
    attend_NT = attend_NT.flip(1) if side == "left" else attend_NT
    found = attention(q, k, v, AttentionMask.of_rows(attend_NT.long(), T, q))
    expected = _explicit(q, k, v, _visible(attention, attend_NT))
    torch.testing.assert_close(found[:, attend_NT], expected[:, attend_NT], atol=1e-5, rtol=1e-5)
    assert found.isfinite().all()


class Turned(GroupedQuery):
    """Grouped-query attention that turns queries and keys itself."""

    def turns_itself(self):
        return True

    def __call__(self, q, k, v, mask):
        return super().__call__(mask.turn(q, mask.queries), mask.turn(k, mask.keys), v, mask)


def _architecture(attention, kv_heads):
    return Architecture(
        vocab_size=11, hidden_size=12, intermediate_size=10, num_heads=4, num_kv_heads=kv_heads, head_dim=6,
        context_length=64, eps=1e-6, rotary=Rotary(100.0), attention=(attention,) * 2, tied=True, qkv_bias=True,
        out_bias=False, mlp_bias=False, qk_norm=True,
    )  # fmt: skip


def decoder_of(attention, kv_heads=2):
    """A small decoder with weights that are nowhere trivial."""
    made = Decoder(_architecture(attention, kv_heads))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_((parameter.ndim == 1) + 0.4 * torch.randn(parameter.shape, generator=generator))
    return made


@torch.no_grad()
@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("prefill", [1, 4])
def test_steps_with_a_cache_are_the_whole_forward_pass(name, prefill):
    decoder = decoder_of(*VARIANTS[name])
    tokens_NT = torch.randint(0, 11, (N, T), generator=torch.Generator().manual_seed(4))
    attend_NT = torch.arange(T) >= torch.tensor([0, 3, 2])[:, None]  # padded on the left, as in generation
    positions_NT = positions_of(attend_NT)
    (expected_NTD,) = decoder(tokens_NT, attend_NT.long(), positions_NT)
    cache = KeyValueCache()
    parts = []
    for start, end in [(0, prefill), *((t, t + 1) for t in range(prefill, T))]:
        part = slice(start, end)
        parts.append(decoder(tokens_NT[:, part], attend_NT[:, :end].long(), positions_NT[:, part], cache)[0])
    torch.testing.assert_close(torch.cat(parts, 1)[attend_NT], expected_NTD[attend_NT], atol=1e-5, rtol=1e-5)
    cache.batch_select_indices(torch.tensor([2, 0]))
    again = decoder(tokens_NT[[2, 0], -1:], None, positions_NT[[2, 0], -1:] + 1, cache)[0]
    assert again.shape == (2, 1, 12)
    assert cache.length == T + 1


@torch.no_grad()
def test_a_variant_may_turn_queries_and_keys_itself():
    tokens_NT = torch.randint(0, 11, (N, T), generator=torch.Generator().manual_seed(4))
    attend_NT = torch.arange(T) >= torch.tensor([0, 3, 2])[:, None]
    given = (tokens_NT, attend_NT.long(), positions_of(attend_NT))
    expected_NTD = decoder_of(GroupedQuery())(*given)[0]
    own = decoder_of(Turned())
    torch.testing.assert_close(own(*given)[0][attend_NT], expected_NTD[attend_NT], atol=1e-5, rtol=1e-5)
    cache = KeyValueCache()
    parts = [
        own(tokens_NT[:, part], attend_NT[:, : part.stop].long(), given[2][:, part], cache)[0]
        for part in (slice(0, 4), slice(4, T))
    ]
    torch.testing.assert_close(torch.cat(parts, 1)[attend_NT], expected_NTD[attend_NT], atol=1e-5, rtol=1e-5)
    plain = AttentionMask.of_rows(None, T, torch.zeros(1))
    with pytest.raises(ValueError, match="without a rotary rule"):
        plain.turn(_random(H, N, T, E), plain.queries)


@given(seed=st.integers(0, 10**6), name=st.sampled_from([*VARIANTS]), at=st.integers(0, T - 1))
def test_no_query_hears_of_a_later_key(seed, name, at):
    """The causal law: whatever comes after a step changes nothing at it, to the last bit."""
    attention, kv_heads = VARIANTS[name]
    q, k, v = _random(H, N, T, E, seed=seed), _random(kv_heads, N, T, E, seed=seed + 1), _random(kv_heads, N, T, E)
    mask = AttentionMask.of_rows(None, T, q)
    before = attention(q, k, v, mask)[:, :, : at + 1]
    q[:, :, at + 1 :], k[:, :, at + 1 :], v[:, :, at + 1 :] = 7.0, -3.0, 1e3
    torch.testing.assert_close(attention(q, k, v, mask)[:, :, : at + 1], before, atol=1e-6, rtol=1e-6)


@given(window=st.integers(1, 12), at=st.integers(0, T - 1))
def test_a_window_hides_what_lies_further_back(window, at):
    q, k, v = _qkv(2)
    mask = AttentionMask.of_rows(None, T, q)
    before = SlidingWindow(window)(q, k, v, mask)
    k[:, :, at], v[:, :, at] = 5.0, 1e3
    after = SlidingWindow(window)(q, k, v, mask)
    moved = (after - before).abs().amax((0, 1, 3)) > 1e-4
    assert not moved[:at].any()
    assert not moved[at + window :].any()
    assert moved[at]


def test_grouped_with_a_key_head_for_each_query_head_is_full():
    q, k, v = _qkv(H)
    mask = AttentionMask.of_rows(None, T, q)
    assert torch.equal(GroupedQuery()(q, k, v, mask), FullAttention()(q, k, v, mask))


@pytest.mark.parametrize("window", [T, T + 1, 4096])
def test_a_window_as_long_as_the_text_is_full(window):
    q, k, v = _qkv(H)
    mask = AttentionMask.of_rows(None, T, q)
    assert torch.equal(SlidingWindow(window)(q, k, v, mask), FullAttention()(q, k, v, mask))


def test_by_hand():
    """Two equal scores share the weight; a window of one sees itself alone."""
    q, k = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    v = torch.tensor([[[[2.0, 0.0], [4.0, 8.0]]]])
    mask = AttentionMask.of_rows(None, 2, q)
    assert FullAttention()(q, k, v, mask)[0, 0].tolist() == [[2.0, 0.0], [3.0, 4.0]]
    assert SlidingWindow(1)(q, k, v, mask)[0, 0].tolist() == [[2.0, 0.0], [4.0, 8.0]]


def test_variants_are_found_by_name():
    assert {"full-attention", "grouped-query", "sliding-window"} <= set(attention_names())
    assert attention_by_name("grouped-query") == GroupedQuery()
    assert attention_by_name("sliding-window", {"window": 64}) == SlidingWindow(64)
    assert isinstance(attention_by_name("full-attention"), Mix)
    assert attention_by_name("sliding-window", {"window": 5}).decode_kernel() == DecodeKernel(5)


@pytest.mark.parametrize(("name", "settings", "message"), [
    ("sliding-windows", {}, "unknown attention 'sliding-windows'; did you mean 'sliding-window'"),
    ("vargrad-tb", {}, "unknown attention"),
    ("full-attention", {"window": 3}, "unknown setting 'window'"),
    ("sliding-window", {"window": 0}, "window"),
    ("sliding-window", {"window": "wide"}, "window"),
])  # fmt: skip
def test_wrong_names_and_settings_are_refused(name, settings, message):
    with pytest.raises(SteelyardError, match=message):
        attention_by_name(name, settings)


def test_full_attention_needs_a_key_head_for_each_query_head():
    with pytest.raises(SteelyardError, match="the model has 2 key heads for 4 query heads; use grouped-query"):
        _architecture(GroupedQuery(), 2).with_attention(FullAttention())
    assert _architecture(GroupedQuery(), 4).with_attention(FullAttention()).attention == (FullAttention(),) * 2
