"""Rearranged weights, by hand: one layer of one query head and one key head; four of six dimensions are turned."""

from dataclasses import replace

import torch

from steelyard.model import Architecture, FullAttention, Rotary
from steelyard.model.architecture import LayerNorms
from steelyard.rollout.weight_layout import WeightLayout

A = Architecture(
    vocab_size=3, hidden_size=2, intermediate_size=2, num_heads=1, num_kv_heads=1, head_dim=6, context_length=8,
    eps=0.0, rotary=Rotary(100.0, share=2 / 3), attention=(FullAttention(),), tied=True, qkv_bias=False, out_bias=False,
    mlp_bias=False, qk_norm=False, norm_offset=1.0, embedding_scale=3.0, query_scale=6**0.5, fused=True,
    norms=LayerNorms("before", "after", None, None),
)  # fmt: skip


def _weights(a):
    made = {name: torch.zeros(shape) for name, shape in a.shapes().items()}
    made["model.embed_tokens.weight"][1] = torch.tensor([1.0, 2.0])
    rows = torch.arange(18.0)[:, None].expand(18, 2).clone()
    if a.fused:
        made["model.layers.0.self_attn.qkv_proj.weight"] = rows
    else:
        q, k, v = rows.split(6)
        made |= {f"model.layers.0.self_attn.{name}_proj.weight": x for name, x in zip("qkv", (q, k, v), strict=True)}
    made["model.layers.0.before.weight"] = torch.tensor([0.0, 1.0])
    made["model.layers.0.after.weight"] = torch.tensor([0.5, -1.0])
    return made


def _made(a):
    layout = WeightLayout(a, torch.device("cpu"), torch.float32, norm_scale=1.0)
    return layout.outer(_weights(a)), layout.layer(_weights(a), 0)


def test_pairs_lie_side_by_side_and_gains_and_scales_are_in_the_weights():
    """Dimensions 0 and 2, 1 and 3 are turned together, 4 and 5 pass; a score's 1 / sqrt(6) and sqrt(6) make 1."""
    outer, layer = _made(A)
    expected = torch.tensor([0.0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17])
    columns = layer.qkv.plain(torch.eye(2))
    torch.testing.assert_close(columns[0], expected)  # gain 0 + 1
    torch.testing.assert_close(columns[1], 2 * expected)  # gain 1 + 1
    assert outer.embedding[1].tolist() == [3.0, 6.0]
    assert outer.head.plain(torch.eye(2))[:, 1].tolist() == [1.0, 2.0]  # the head is the embedding without its scale
    assert layer.after_attention is not None
    assert layer.after_attention.tolist() == [1.5, 0.0]
    assert layer.after_mlp is None
    assert layer.gains is None


def test_weights_that_are_apart_are_laid_out_alike():
    fused, parted = (_made(replace(A, fused=fused))[1] for fused in (True, False))
    assert torch.equal(fused.qkv.plain(torch.eye(2)), parted.qkv.plain(torch.eye(2)))
