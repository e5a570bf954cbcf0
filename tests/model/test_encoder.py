import math

import pytest
import torch

from steelyard.check import import_rooms
from steelyard.core import SteelyardError
from steelyard.model import encoder_attention_names
from steelyard.model.encoder import IGNORED, Encoder, EncoderSizes, mask_tokens

SMALL = {"vocab_size": 12, "hidden_size": 16, "intermediate_size": 24, "num_heads": 2, "num_labels": 3}
AUTO = {
    "masked": "AutoModelForMaskedLM", "sequence": "AutoModelForSequenceClassification",
    "token": "AutoModelForTokenClassification",
}  # fmt: skip


def _encoder(head, **changes):
    made = Encoder(EncoderSizes(head=head, **SMALL | changes), seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return made.eval()


def _rows():
    tokens_NT = torch.randint(1, 12, (3, 7), generator=torch.Generator().manual_seed(0))
    return tokens_NT, (torch.arange(7) < torch.tensor([7, 4, 2])[:, None]).long()


@torch.no_grad()
@pytest.mark.parametrize("head", AUTO)
def test_saved_it_is_what_transformers_loads_and_computes(head, tmp_path):
    import transformers

    made = _encoder(head)
    made.save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    tokens_NT, attend_NT = _rows()
    expected = made(tokens_NT, attend_NT)
    assert torch.equal(Encoder.load(tmp_path)(tokens_NT, attend_NT), expected)
    theirs = getattr(transformers, AUTO[head]).from_pretrained(tmp_path)
    found = theirs(input_ids=tokens_NT, attention_mask=attend_NT).logits
    real = ... if head == "sequence" else attend_NT.bool()
    torch.testing.assert_close(found[real], expected[real], atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("head", AUTO)
def test_padding_and_the_order_of_rows_change_nothing(head):
    made = _encoder(head)
    tokens_NT, attend_NT = _rows()
    expected = made(tokens_NT, attend_NT)
    wider = [torch.nn.functional.pad(x, (0, 3)) for x in (tokens_NT, attend_NT)]
    wider[0][~wider[1].bool()] = 5
    order = [2, 0, 1]
    found = made(wider[0][order], wider[1][order])
    for row, of in zip(found, order, strict=True):
        length = None if head == "sequence" else int(attend_NT[of].sum())
        torch.testing.assert_close(row[:length], expected[of][:length], atol=1e-5, rtol=1e-5)


def test_it_looks_both_ways():
    made = _encoder("token")
    tokens_NT, attend_NT = _rows()
    before = made(tokens_NT, attend_NT)[0, 0]
    tokens_NT[0, 6] = 1 + tokens_NT[0, 6] % 11
    assert (made(tokens_NT, attend_NT)[0, 0] - before).abs().max() > 1e-3


def test_the_masked_loss_by_hand():
    """With all weights 0 but the bias, a masked token has the softmax of the bias: here 1/2, 1/4 and 1/4."""
    made = Encoder(EncoderSizes(head="masked", **SMALL | {"vocab_size": 3}))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
        made.decoder.bias.copy_(torch.tensor([math.log(2), 0.0, 0.0]))
    tokens_NT = torch.tensor([[1, 1, 1, 1]])
    labels_NT = torch.tensor([[0, IGNORED, 2, IGNORED]])
    loss = made.loss(tokens_NT, torch.ones_like(tokens_NT), labels_NT)
    assert loss.item() == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_masking_takes_a_share_of_the_real_tokens():
    tokens_NT = torch.randint(2, 12, (50, 40), generator=torch.Generator().manual_seed(0))
    attend_NT = (torch.arange(40) < 30).long().expand(50, -1)
    masked_NT, labels_NT = mask_tokens(
        tokens_NT, attend_NT, mask_id=1, share=0.3, generator=torch.Generator().manual_seed(1)
    )
    chosen_NT = labels_NT != IGNORED
    assert not chosen_NT[:, 30:].any()
    assert chosen_NT[:, :30].float().mean().item() == pytest.approx(0.3, abs=0.04)
    assert torch.equal(labels_NT[chosen_NT], tokens_NT[chosen_NT])
    assert torch.equal(masked_NT, tokens_NT.masked_fill(chosen_NT, 1))


def _toy(seed, num):
    """Does token 7 stand anywhere? Its places are their own labels for the token head."""
    generator = torch.Generator().manual_seed(seed)
    tokens_NT = torch.randint(1, 7, (num, 8), generator=generator)
    has_N = torch.rand(num, generator=generator) < 0.5
    tokens_NT[has_N, torch.randint(0, 8, (int(has_N.sum()),), generator=generator)] = 7
    return tokens_NT, torch.ones_like(tokens_NT), has_N.long()


@pytest.mark.parametrize("head", ["sequence", "token"])
def test_it_learns_a_toy_classification(head):
    made = Encoder(EncoderSizes(head=head, **SMALL | {"num_labels": 2}))
    optimizer = torch.optim.AdamW(made.parameters(), lr=5e-3)

    def labels(tokens_NT, has_N):
        return has_N if head == "sequence" else (tokens_NT == 7).long()

    for step in range(120):
        tokens_NT, attend_NT, has_N = _toy(step, 64)
        optimizer.zero_grad()
        made.loss(tokens_NT, attend_NT, labels(tokens_NT, has_N)).backward()
        optimizer.step()
    tokens_NT, attend_NT, has_N = _toy(10**6, 400)
    with torch.no_grad():
        right = made.eval()(tokens_NT, attend_NT).argmax(-1) == labels(tokens_NT, has_N)
    assert right.float().mean().item() > 0.95


@pytest.mark.parametrize("break_it", [
    lambda place: (place / "model.safetensors").write_bytes(b"nothing"),
    lambda place: (place / "config.json").write_text("{}"),
    lambda place: Encoder(EncoderSizes(head="token", **SMALL | {"hidden_size": 8})).save(place / "other")
    or (place / "other/model.safetensors").replace(place / "model.safetensors"),
])  # fmt: skip
def test_damaged_files_are_refused(break_it, tmp_path):
    _encoder("token").save(tmp_path)
    break_it(tmp_path)
    with pytest.raises(SteelyardError, match="no encoder can be loaded"):
        Encoder.load(tmp_path)


def test_heads_must_divide_the_hidden_size():
    with pytest.raises(SteelyardError, match="multiple of twice the number of heads"):
        EncoderSizes(vocab_size=5, hidden_size=10, num_heads=4)


def test_who_builds_data_is_no_variant():
    import_rooms()
    assert "linformer" in encoder_attention_names()
    assert "efl" not in encoder_attention_names()
