import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.model import AttentionMask, BlockBERT, LayerSizes, SelfAttention

SIZES = LayerSizes(hidden_size=4, num_heads=2, context_length=4, layer=0)


def _heads(steps: int, real: list[int]):
    q, k, v = torch.randn(3, 2, 1, steps, 2, generator=torch.Generator().manual_seed(0))
    return q, k, v, AttentionMask.bidirectional(torch.tensor([real]), q)


def test_by_hand():
    """Queries of 0 weigh alike: the near head means its own block of two tokens, the far head the other one."""
    v = torch.tensor([1.0, 3.0, 10.0, 20.0]).reshape(1, 1, 4, 1).expand(2, 1, 4, 2)
    q = torch.zeros(2, 1, 4, 2)
    mixed = BlockBERT().build(SIZES).mix(q, q, v, AttentionMask.bidirectional(torch.ones(1, 4).long(), q))
    assert mixed[:, 0, :, 0].tolist() == [[2.0, 2.0, 15.0, 15.0], [15.0, 15.0, 2.0, 2.0]]


def test_one_block_is_full_attention():
    heads = _heads(4, [1, 1, 1, 0])
    torch.testing.assert_close(
        BlockBERT(blocks=1).build(SIZES).mix(*heads)[:, :, :3], SelfAttention(SIZES).mix(*heads)[:, :, :3]
    )


@pytest.mark.parametrize("real", [[1, 1], [1, 1, 0, 0]])
def test_a_block_without_tokens_adds_nothing(real):
    mixed = BlockBERT().build(SIZES).mix(*_heads(len(real), real))
    assert mixed[0, 0, :2].abs().min() > 0
    assert not mixed[1, 0, :2].any()


def test_far_heads_and_blocks_have_a_limit():
    with pytest.raises(SteelyardError, match=r"blockbert\.far: asks for 4 far heads, and a layer has 2"):
        BlockBERT(blocks=3, far=2).build(SIZES)
    with pytest.raises(SteelyardError, match=r"blockbert\.blocks: is 5, and the longest text has 4 tokens"):
        BlockBERT(blocks=5).build(SIZES)
