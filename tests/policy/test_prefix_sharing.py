import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.model import Architecture, Decoder, GroupedQuery, Rotary, SlidingWindow, mix
from steelyard.policy import prefix_sharing
from steelyard.policy.logp import step_logp

PLAIN = Architecture(
    vocab_size=11, hidden_size=12, intermediate_size=10, num_heads=4, num_kv_heads=2, head_dim=6, context_length=64,
    eps=1e-6, rotary=Rotary(100.0), attention=(GroupedQuery(),) * 2, tied=True, qkv_bias=True, out_bias=False,
    mlp_bias=False, qk_norm=True,
)  # fmt: skip


def _decoder(dtype=torch.float32, architecture=PLAIN):
    made, generator = Decoder(architecture), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_((parameter.ndim == 1) + 0.4 * torch.randn(parameter.shape, generator=generator))
    cast = Decoder(architecture, dtype)
    cast.load_state_dict(made.state_dict())
    return cast


def _rows(rows):
    """Tokens, attended, actions of (prompt, what follows, which of that are actions), padded on the right."""
    width = max(len(prompt) + len(rest) for prompt, rest, _ in rows)
    tokens_NT, length_N = torch.full((len(rows), width), 9), torch.tensor([len(p) + len(r) for p, r, _ in rows])
    action_NT = torch.zeros(len(rows), width, dtype=torch.bool)
    for i, (prompt, rest, actions) in enumerate(rows):
        tokens_NT[i, : length_N[i]] = torch.tensor([*prompt, *rest])
        action_NT[i, len(prompt) : length_N[i]] = torch.tensor(actions, dtype=torch.bool)
    return tokens_NT, torch.arange(width) < length_N[:, None], action_NT


def _row(prompt, rest):
    return prompt, rest, [True] * len(rest)


A, B = (1, 2, 3, 4), (5, 1)
CASES = {
    "groups": [_row(A, (1, 2, 0)), _row(A, (3, 0)), _row(B, (7, 7, 7, 0)), _row(B, (7,)), _row(B, (2, 0))],
    "a group of one": [_row(A, (1, 2, 0))],
    "no two alike": [_row(A, (1, 2)), _row(B, (3,)), _row((6,), (5, 4, 3))],
    "one prompt begins another": [_row(A, (1, 2)), _row(A[:2], (3, 4, 1, 2)), _row(A, (1, 2))],
    "mixed up": [_row(B, (3, 3)), _row(A, (1, 2, 0)), _row(B, (3, 4)), _row(A, (2,)), _row((6,), (1, 0))],
    "single actions": [_row(A, (1,)), _row(A, (2,)), _row(B, (3,))],
    "turns": [(A, (1, 8, 8, 2), (1, 0, 0, 1)), (A, (1, 8, 2), (1, 0, 1)), (B, (4, 5, 6), (1, 0, 0))],
    "rests that are alike": [_row(A, (1, 2, 0)), _row(B, (1, 2, 0)), *[_row(A, (1, 2, 3))] * 2, _row(A, (1, 2))],
    "alike, with other actions": [(A, (1, 8, 2), (1, 0, 1)), (A, (1, 8, 2), (1, 1, 1)), (A, (1, 8, 2), (1, 1, 0))],
    "rows without actions": [_row(A, (1, 2)), (A, (), ()), ((1,), (), ()), _row(A, (3, 0))],
}


def _padded(decoder):
    """The same network, but not known to be one that can share."""
    return lambda **arguments: decoder(**arguments)


def _stream(rows):
    found = prefix_sharing._Rows.of(*rows)
    assert found is not None
    return prefix_sharing._Stream.of(found)


def _say(backbone, decoder, rows, **changes):
    settings = {"temperature": 0.7, "entropy": True, "chunk": 1000} | changes
    return step_logp(backbone, decoder.head, *rows, **settings)


def _gradients(found, decoder):
    loss = (found.logp_NT.sum(1) - 1).square().sum() + found.entropy_NT.sum() + found.prompt_ND.square().sum()
    return torch.autograd.grad(loss, [*decoder.parameters()])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("short", [mix.SHORT, 0])
@pytest.mark.parametrize("window", [None, 1, 3])
def test_shared_is_padded_in_value_and_gradient(monkeypatch, name, short, window):
    monkeypatch.setattr(mix, "SHORT", short)
    attention = GroupedQuery() if window is None else SlidingWindow(window)
    decoder = _decoder(architecture=PLAIN.with_attention(attention))
    rows = _rows(CASES[name])
    assert prefix_sharing.shared_states(decoder, *rows) is not None
    found, expected = _say(decoder, decoder, rows), _say(_padded(decoder), decoder, rows)
    torch.testing.assert_close(found.logp_NT, expected.logp_NT, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.entropy_NT, expected.entropy_NT, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.prompt_ND, expected.prompt_ND, atol=1e-5, rtol=1e-5)
    for a, b in zip(_gradients(found, decoder), _gradients(expected, decoder), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("changes", [{"temperature": math.inf}, {"chunk": 2}, {"temperature": 1.0, "entropy": False}])
def test_the_head_is_asked_in_the_same_way(changes):
    decoder, rows = _decoder(), _rows(CASES["groups"])
    found, expected = _say(decoder, decoder, rows, **changes), _say(_padded(decoder), decoder, rows, **changes)
    torch.testing.assert_close(found.logp_NT, expected.logp_NT, atol=1e-5, rtol=1e-5)
    assert (found.entropy_NT is None) == (expected.entropy_NT is None)


def test_is_close_in_bfloat16():
    rows, exact, half = _rows(CASES["groups"]), _decoder(), _decoder(torch.bfloat16)
    logp_NT = _say(exact, exact, rows).logp_NT
    error, allowed = (
        (_say(backbone, half, rows).logp_NT - logp_NT).abs().max() for backbone in (half, _padded(half))
    )  # fmt: skip
    assert error <= 2 * allowed


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("groups", 4 + 2 + (2 + 1 + 3 + 0 + 1)),
        ("no two alike", 4 + 2 + 1 + (1 + 0 + 2)),
        ("single actions", 4 + 2),
        ("turns", 4 + 2 + (3 + 2 + 0)),
        ("rests that are alike", 4 + 2 + (2 + 2 + 1)),
        ("alike, with other actions", 4 + (2 + 1)),
        ("rows without actions", 4 + 1 + (1 + 1)),
    ],
)
def test_computes_each_prompt_and_each_rest_once_and_no_padding(monkeypatch, name, tokens):
    decoder, seen = _decoder(), []
    inner = decoder.hidden
    monkeypatch.setattr(decoder, "hidden", lambda t, *rest: seen.append(t.shape) or inner(t, *rest))
    _say(decoder, decoder, _rows(CASES[name]))
    assert seen == [(tokens,)]


def test_rows_padded_on_the_left_are_not_shared():
    decoder, rows = _decoder(), _rows(CASES["groups"])
    flipped = [x.flip(1) for x in rows]
    assert prefix_sharing.shared_states(decoder, *flipped) is None
    nothing = (*rows[:1], torch.zeros_like(rows[1]), torch.zeros_like(rows[2]))
    assert prefix_sharing.shared_states(decoder, *nothing) is None
    assert not _say(decoder, decoder, nothing).logp_NT.any()


def test_two_runs_agree_to_the_last_bit():
    rows = _rows(CASES["mixed up"])
    one, two = (_gradients(_say(decoder, decoder, rows), decoder) for decoder in (_decoder(), _decoder()))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_the_gradient_of_the_attention_is_exact():
    decoder, rows = _decoder(torch.float64), _rows(CASES["groups"])
    stream = _stream(rows)
    layout, generator = prefix_sharing._StreamLayout(stream, decoder), torch.Generator().manual_seed(0)
    shapes = [(len(stream.tokens_S), heads, PLAIN.head_dim) for heads in (4, 2, 2)]
    inputs = [torch.randn(s, generator=generator, dtype=torch.float64, requires_grad=True) for s in shapes]
    assert torch.autograd.gradcheck(lambda q, k, v: layout(0, q, k, v), inputs)


ROWS = st.lists(
    st.tuples(st.sampled_from([A, A[:2], B, (6,)]), st.lists(st.integers(0, 10), max_size=5)), min_size=1, max_size=9
)


def _say_rows(rows):
    decoder = _decoder()
    found = _say(decoder, decoder, _rows([_row(*row) for row in rows]), entropy=False).logp_NT
    return found, torch.autograd.grad(found.square().sum(), [*decoder.parameters()])


@given(ROWS, st.randoms(use_true_random=False))
def test_order_changes_nothing(rows, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    (logp_NT, grads), (moved_NT, moved_grads) = _say_rows(rows), _say_rows([rows[i] for i in order])
    torch.testing.assert_close(moved_NT, logp_NT[order], atol=1e-5, rtol=1e-5)
    for a, b in zip(grads, moved_grads, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@given(ROWS, st.integers(0, 9))
def test_cutting_changes_nothing(rows, at):
    parts = [part for part in (rows[:at], rows[at:]) if part]
    logp_NT, grads = _say_rows(rows)
    cut = [_say_rows(part) for part in parts]
    sums_N = torch.cat([logp_nt.sum(1) for logp_nt, _ in cut])
    torch.testing.assert_close(sums_N, logp_NT.sum(1), atol=1e-5, rtol=1e-5)
    for whole, *pieces in zip(grads, *(found for _, found in cut), strict=True):
        torch.testing.assert_close(sum(pieces), whole, atol=1e-4, rtol=1e-4)


def test_the_stream_by_hand():
    """Tokens, positions and sources of two rows with one prompt and one row with another."""
    stream = _stream(_rows([_row((1, 2), (3, 4, 0)), _row((5,), (6,)), _row((1, 2), (7, 0))]))
    assert stream.tokens_S.tolist() == [1, 2, 5, 3, 4, 7]
    assert stream.positions_S.tolist() == [0, 1, 0, 2, 3, 2]
    assert stream.source_M.tolist() == [1, 3, 4, 2, 1, 5]
    np.testing.assert_array_equal(stream.prompt_PL, [[0, 1], [2, -1]])
    np.testing.assert_array_equal(stream.rest_RL, [[3, 4], [5, -1]])
    assert stream.prompt_R.tolist() == [0, 0]
