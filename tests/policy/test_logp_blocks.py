import math

import pytest
import torch
from torch import nn

from steelyard.experiments.bench.measuring import forget_peak, resident_mib
from steelyard.model.decoder import TiedHead
from steelyard.policy.logp_blocks import logp_in_blocks, plain_weight

M, D, V = 11, 6, 37


def _inputs(dtype=torch.float64, frozen=False):
    draw = torch.Generator().manual_seed(0)
    hidden_MD = torch.randn(M, D, generator=draw, dtype=torch.float64).to(dtype).requires_grad_()
    weight_VD = torch.randn(V, D, generator=draw, dtype=torch.float64).to(dtype).requires_grad_(not frozen)
    return hidden_MD, weight_VD, torch.randint(V, (M,), generator=draw)


def _whole(hidden_MD, weight_VD, token_M, temperature):
    logp_MV = ((hidden_MD @ weight_VD.T) / temperature).log_softmax(-1)
    return logp_MV.gather(1, token_M[:, None])[:, 0], -(logp_MV.exp() * logp_MV).sum(1)


def _loss(logp_M, entropy_M):
    """One in which every row has a gradient of its own."""
    share_M = torch.linspace(0.5, 2.0, M, dtype=logp_M.dtype)
    loss = (share_M * logp_M**2).sum()
    return loss if entropy_M is None else loss + (share_M.flip(0) * entropy_M**2).sum()


@pytest.mark.parametrize("entropy", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_values_and_gradients_are_those_of_the_whole_form(temperature, frozen, entropy):
    hidden_MD, weight_VD, token_M = _inputs(frozen=frozen)
    leaves = [hidden_MD] if frozen else [hidden_MD, weight_VD]
    expected = _whole(hidden_MD, weight_VD, token_M, temperature)
    found = logp_in_blocks(hidden_MD, weight_VD, token_M, temperature=temperature, entropy=entropy, rows=4)
    torch.testing.assert_close(found[0], expected[0], atol=1e-12, rtol=1e-12)
    if entropy:
        torch.testing.assert_close(found[1], expected[1], atol=1e-12, rtol=1e-12)
    by = torch.autograd.grad(_loss(*found), leaves)
    by_whole = torch.autograd.grad(_loss(expected[0], expected[1] if entropy else None), leaves)
    for a, b in zip(by, by_whole, strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-12)


def test_a_weight_alone_can_have_a_gradient():
    hidden_MD, weight_VD, token_M = _inputs()
    found, none = logp_in_blocks(hidden_MD.detach(), weight_VD, token_M, temperature=1.0, entropy=False, rows=4)
    (by,) = torch.autograd.grad(found.sum(), [weight_VD])
    (expected,) = torch.autograd.grad(_whole(hidden_MD, weight_VD, token_M, 1.0)[0].sum(), [weight_VD])
    assert none is None
    torch.testing.assert_close(by, expected, atol=1e-12, rtol=1e-12)


def test_two_words_by_hand():
    # Logits log 3 and 0: the first word has 3/4, and its slope in h is the weight less its mean, 1 - 3/4.
    hidden_MD = torch.tensor([[1.0]], requires_grad=True)
    weight_VD = torch.tensor([[math.log(3)], [0.0]])
    token_M = torch.tensor([0])
    logp_M, entropy_M = logp_in_blocks(hidden_MD, weight_VD, token_M, temperature=1.0, entropy=True, rows=1)
    assert entropy_M is not None
    assert logp_M.item() == pytest.approx(math.log(0.75))
    assert entropy_M.item() == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    logp_M, _ = logp_in_blocks(hidden_MD, weight_VD, token_M, temperature=1.0, entropy=False, rows=1)
    (by,) = torch.autograd.grad(logp_M.sum(), [hidden_MD])
    assert by.item() == pytest.approx(math.log(3) / 4)


def test_an_infinite_temperature_is_uniform_and_has_no_gradient():
    hidden_MD, weight_VD, token_M = _inputs()
    found, _ = logp_in_blocks(hidden_MD, weight_VD, token_M, temperature=math.inf, entropy=False, rows=4)
    assert found.tolist() == pytest.approx([-math.log(V)] * M)
    assert not any(by.any() for by in torch.autograd.grad(found.sum(), [hidden_MD, weight_VD]))


@pytest.mark.parametrize("frozen", [False, True])
def test_a_bfloat16_head_has_float32_log_probabilities(frozen):
    hidden_MD, weight_VD, token_M = _inputs(torch.bfloat16, frozen)
    found, _ = logp_in_blocks(hidden_MD, weight_VD, token_M, temperature=1.0, entropy=False, rows=4)
    logits_MV = (hidden_MD @ weight_VD.T).float()
    torch.testing.assert_close(found, logits_MV.log_softmax(-1).gather(1, token_M[:, None])[:, 0])
    (by,) = torch.autograd.grad(found.sum(), [hidden_MD])
    exact_M = _whole(hidden_MD.double(), weight_VD.double(), token_M, 1.0)[0]
    (expected,) = torch.autograd.grad(exact_M.sum(), [hidden_MD])
    torch.testing.assert_close(by, expected, atol=0.05, rtol=0.02)


def test_heads_that_do_more_than_multiply_are_left_alone():
    plain = nn.Linear(D, V, bias=False)
    hooked = nn.Linear(D, V, bias=False)
    hooked.register_forward_hook(lambda *call: call[-1] + 1)
    assert plain_weight(plain) is plain.weight
    tied = TiedHead(nn.Embedding(V, D))
    assert plain_weight(tied) is tied.weight
    for other in (nn.Linear(D, V), hooked, nn.Sequential(plain)):
        assert plain_weight(other) is None


def _peak(work):
    """MiB of this process at its peak, above what it had."""
    forget_peak()
    before = resident_mib()
    work()
    return resident_mib("VmHWM") - before


@pytest.mark.parametrize("frozen", [False, True])
def test_the_peak_is_bounded_by_the_block(frozen):
    rows, total, words = 32, 512, 2**17
    block = 4 * rows * words / 2**20  # 16 MiB; the whole batch's logits have 256
    weight_VD = torch.zeros(words, 4, requires_grad=not frozen)
    hidden_MD = torch.zeros(total, 4, requires_grad=True)
    token_M = torch.zeros(total, dtype=torch.long)

    def in_blocks():
        found = logp_in_blocks(hidden_MD, weight_VD, token_M, temperature=1.0, entropy=False, rows=rows)
        found[0].sum().backward()

    # The allocator may still hold the forward pass's block while the backward pass takes its own.
    assert _peak(in_blocks) < 2 * block + 16
    assert _peak(lambda: _whole(hidden_MD, weight_VD, token_M, 1.0)[0].sum().backward()) > 16 * block
