import torch
from torch import nn

from steelyard.policy.master_weights import MasterWeights, num_copied


def _ones(dtype):
    return nn.Parameter(torch.ones(4, dtype=dtype))


def test_what_has_32_bits_is_its_own_master():
    p = _ones(torch.float32)
    masters = MasterWeights({"p": p})
    assert masters.named["p"] is p
    assert masters.copies == {}
    p.sum().backward()
    masters.gather()
    assert p.grad.tolist() == [1.0] * 4


def test_updates_far_below_the_last_bit_add_up_until_the_weight_moves():
    """One step of 1e-6 is 1/4000 of the distance to the next bfloat16 number; 4000 of them reach it."""
    for dtype, steps, there in ((torch.bfloat16, 3000, 1 - 2**-8), (torch.float16, 400, 1 - 2**-11)):
        p = _ones(dtype)
        masters = MasterWeights({"p": p})
        with torch.no_grad():
            masters.named["p"].sub_(1e-6)
        masters.write_back()
        assert torch.allclose(masters.named["p"], torch.tensor(1 - 1e-6), rtol=0, atol=6e-8)
        assert p.tolist() == [1.0] * 4
        with torch.no_grad():
            for _ in range(steps - 1):
                masters.named["p"].sub_(1e-6)
        masters.write_back()
        assert p.tolist() == [there] * 4


def test_gradients_add_up_in_float32():
    """256 + 1 is 256 in bfloat16."""
    p = _ones(torch.bfloat16)
    masters = MasterWeights({"p": p})
    for scale in (256.0, 1.0):
        (scale * p).sum().backward()
        masters.gather()
        assert p.grad is None
    assert masters.named["p"].grad.tolist() == [257.0] * 4
    masters.clear()
    assert masters.named["p"].grad is None


def test_masters_begin_again_from_the_weights():
    p = _ones(torch.bfloat16)
    masters = MasterWeights({"p": p})
    with torch.no_grad():
        p.fill_(0.5)
    masters.begin_again()
    assert masters.named["p"].tolist() == [0.5] * 4
    assert masters.named["p"].dtype == torch.float32


def test_only_low_precision_is_counted():
    assert num_copied([_ones(torch.bfloat16), _ones(torch.float32), _ones(torch.float16)]) == 8
