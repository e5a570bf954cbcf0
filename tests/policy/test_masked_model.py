"""A masked language model fills a span, and says how sure it is."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from policy.encoders import save_encoder, save_masked
from steelyard.core import SteelyardError
from steelyard.policy.masked_model import MaskedModel

WORDS = ("[PAD]", "[UNK]", "[MASK]", "sky", "is", "blue", "red", "not")


def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    marks = {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=8, **marks)


class Always(nn.Module):
    """Says the same of every token, and keeps what it was shown."""

    config = SimpleNamespace(max_position_embeddings=8)
    device = torch.device("cpu")

    def __init__(self, **odds):
        super().__init__()
        self.logit_V = torch.tensor([9.0, 9.0, 9.0] + [odds.get(word, -9.0) for word in WORDS[3:]])

    def forward(self, input_ids, attention_mask):
        self.shown = input_ids.tolist()
        return SimpleNamespace(logits=self.logit_V.expand(*input_ids.shape, -1))


def test_by_hand():
    net = Always(blue=2.0, red=0.5)
    filled = MaskedModel(net, tokenizer()).fill(["sky is red", "sky is blue not"], [(7, 10), (7, 11)])
    assert [one.text for one in filled] == ["sky is blue", "sky is blue not"]
    assert [one.same for one in filled] == [False, True]
    assert filled[0].odds == pytest.approx(0.5 - 2.0), "marks, which the net likes best, are never filled in"
    assert filled[1].odds == 0.0
    assert net.shown == [[3, 4, 2, 0], [3, 4, 2, 7]]


def test_a_span_of_two_words_is_hidden_whole_and_both_are_filled():
    (one,) = MaskedModel(Always(blue=1.0, red=0.0), tokenizer()).fill(["is red red sky"], [(3, 10)])
    assert (one.text, one.same, one.odds) == ("is blue blue sky", False, pytest.approx(-2.0))


def test_a_span_that_is_not_read_changes_nothing():
    model = MaskedModel(Always(blue=1.0), tokenizer())
    long = "sky " * 8 + "red"
    assert [(one.text, one.same, one.odds) for one in model.fill([long, ""], [(32, 35), (0, 0)])] == [
        (long, True, 0.0), ("", True, 0.0),
    ]  # fmt: skip
    assert model.fill([], []) == []


def test_what_was_saved_fills_alone_as_among_others(tmp_path):
    model = MaskedModel.load(save_masked(tmp_path / "masked"))
    texts, spans = ["ab c", "abcdefg"], [(3, 4), (0, 2)]
    among = model.fill(texts, spans)
    alone = [one for text, span in zip(texts, spans, strict=True) for one in model.fill([text], [span])]
    assert [one.text for one in among] == [one.text for one in alone]
    assert [one.odds for one in among] == pytest.approx([one.odds for one in alone], abs=1e-4)
    assert model.num_parameters > 0


def test_what_is_no_masked_model_is_refused(tmp_path):
    with pytest.raises(SteelyardError, match="lacks"):
        MaskedModel.load(save_encoder(tmp_path / "plain"))
    with pytest.raises(SteelyardError, match="no such directory"):
        MaskedModel.load(str(tmp_path / "nowhere"))
    with pytest.raises(SteelyardError, match="has no mask or no padding"):
        MaskedModel.load(save_encoder(tmp_path / "unmarked", kind="AutoModelForMaskedLM"))
