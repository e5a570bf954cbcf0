import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from steelyard.core import SteelyardError
from steelyard.model import AttentionMask, Encoder, EncoderSizes, LayerSizes, Linformer, encoder_attention_by_name

SMALL = {"vocab_size": 12, "hidden_size": 16, "intermediate_size": 24, "num_heads": 2, "context_length": 8}
SIZES = LayerSizes(hidden_size=16, num_heads=2, context_length=8, layer=0)


def _identity(encoder):
    """Projections that leave keys and values as they are."""
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if "projection" in name:
                parameter.copy_(torch.eye(8))
    return encoder.eval()


def test_by_hand():
    """With queries of 0 all projected values weigh alike: the mean of (v1 + v2) and (v1 - v2) is v1."""
    module = Linformer(compression=4).build(SIZES)
    with torch.no_grad():
        module.value_projection.copy_(torch.tensor([[1.0, 1.0], [1.0, -1.0]]).repeat(1, 4))
        module.key_projection.normal_()
        module.Wqkv.weight.zero_()
        module.Wqkv.weight[32:] = torch.eye(16)
        module.Wo.weight.copy_(torch.eye(16))
        x_NTD = torch.randn(1, 2, 16)
        rotation = (torch.ones(1, 2, 2, 8), torch.zeros(1, 2, 2, 8))
        mask = AttentionMask.bidirectional(torch.ones(1, 2).long(), x_NTD)
        heard, carried = module(x_NTD, rotation, mask, None)
    torch.testing.assert_close(heard, x_NTD[:, :1].expand(1, 2, 16))
    assert carried is None


@torch.no_grad()
def test_with_projections_that_change_nothing_it_is_full_attention():
    full = Encoder(EncoderSizes(head="token", **SMALL), seed=1).eval()
    ours = Encoder(EncoderSizes(head="token", attention=Linformer(compression=1), **SMALL), seed=1)
    ours.load_state_dict(full.state_dict(), strict=False)
    tokens_NT = torch.randint(1, 12, (2, 8), generator=torch.Generator().manual_seed(0))
    attend_NT = torch.ones_like(tokens_NT)
    expected = full.hidden(tokens_NT, attend_NT)
    torch.testing.assert_close(_identity(ours).hidden(tokens_NT, attend_NT), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("shared", "count"), [("none", 4), ("values", 2), ("layers", 1)])
def test_projections_are_shared_as_asked(shared, count):
    made = Encoder(EncoderSizes(attention=Linformer(compression=2, shared=shared), **SMALL))
    held = {name: p for name, p in made.named_parameters() if "projection" in name}
    assert len(held) == count
    assert all(p.shape == (4, 8) for p in held.values())


def test_projections_begin_as_xaviers_law_and_frozen_ones_are_not_trained():
    sizes = EncoderSizes(attention=Linformer(compression=4, frozen=True), **SMALL | {"context_length": 256})
    made = Encoder(sizes, seed=3)
    drawn = made.model.layers[0].attn.key_projection
    assert drawn.std().item() == pytest.approx(math.sqrt(0.5 * 2 / (64 + 256)), rel=0.03)
    assert not drawn.requires_grad
    cross_entropy(made(torch.ones(1, 5).long(), torch.ones(1, 5).long()), torch.tensor([1])).backward()
    assert drawn.grad is None


def test_transformers_refuses_what_is_saved_and_damage_is_refused(tmp_path):
    from transformers import AutoConfig

    made = Encoder(EncoderSizes(attention=Linformer(compression=2), **SMALL))
    made.save(tmp_path)
    assert Encoder.load(tmp_path).sizes.attention == Linformer(compression=2)
    with pytest.raises(ValueError, match="steelyard"):
        AutoConfig.from_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"compression": 2', '"compression": 0'))
    with pytest.raises(SteelyardError, match=r"no encoder can be loaded .*compression"):
        Encoder.load(tmp_path)
    config.write_text(
        config.read_text().replace('"steelyard.model.linformer"', '"os"').replace("linformer", "liniformer")
    )
    with pytest.raises(SteelyardError, match="cannot be imported on the word of a file"):
        Encoder.load(tmp_path)


def test_too_long_a_text_and_too_much_compression_are_refused():
    made = Encoder(EncoderSizes(attention=Linformer(), **SMALL))
    with pytest.raises(SteelyardError, match="a text has 9 tokens, and the projections are for 8; cut the text"):
        made(torch.ones(1, 9).long(), torch.ones(1, 9).long())
    with pytest.raises(SteelyardError, match=r"linformer\.compression: is 9, and the longest text has 8 tokens"):
        Encoder(EncoderSizes(attention=Linformer(compression=9), **SMALL))


@pytest.mark.parametrize(("name", "settings", "message"), [
    ("linformers", {}, "unknown attention of encoders 'linformers'; did you mean 'linformer'"),
    ("grouped-query", {}, "unknown attention of encoders"),
    ("efl", {}, "unknown attention of encoders 'efl'; choose one of blockbert, linformer"),
    ("linformer", {"window": 3}, "unknown setting 'window'"),
    ("", {"compression": 2}, "has settings and no name"),
])  # fmt: skip
def test_wrong_names_and_settings_are_refused(name, settings, message):
    with pytest.raises(SteelyardError, match=message):
        encoder_attention_by_name(name, settings)


def test_variants_are_found_by_name():
    assert encoder_attention_by_name("linformer", {"compression": 2}) == Linformer(compression=2)
    assert encoder_attention_by_name("") is None
