"""An encoder with an attention of ours is a classifier, an embedder and a task's judge, as any of transformers' is."""

import pytest
import torch
from torch.nn.functional import normalize

from steelyard.core import SteelyardError
from steelyard.model import Encoder, EncoderSizes, Linformer
from steelyard.policy import Policy
from steelyard.policy.auxiliary_model import AuxiliaryModel
from steelyard.policy.classifier import Classifier
from steelyard.policy.embedder import Embedder

TEXTS = ["12+34=", "7", "9" * 60]
SIZES = {
    "vocab_size": 28, "hidden_size": 16, "intermediate_size": 24, "num_heads": 2, "context_length": 24,
    "attention": Linformer(compression=2),
}  # fmt: skip


@pytest.fixture
def place(tmp_path, tiny_model_dir):
    import transformers

    Encoder(EncoderSizes(labels=("fine", "foul"), **SIZES), seed=3).save(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model_dir("gpt2"))
    tokenizer.padding_side = "left"
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


@torch.no_grad()
def test_it_classifies_texts_by_the_names_of_its_labels(place):
    classifier = Classifier.load(str(place))
    assert classifier.labels == ["fine", "foul"]
    found = classifier.share(TEXTS, "foul")
    for text, share in zip(TEXTS, found, strict=True):
        tokens_NT = torch.tensor([classifier.tokenizer.encode(text)[:24]])
        expected = Encoder.load(place)(tokens_NT, torch.ones_like(tokens_NT)).softmax(-1)[0, 1]
        assert share.item() == pytest.approx(expected.item(), abs=1e-6)
    with pytest.raises(SteelyardError, match="has no label 'fowl'; did you mean 'foul'"):
        classifier.share(TEXTS, "fowl")


@torch.no_grad()
def test_it_embeds_texts(place):
    embedder = Embedder.load(str(place))
    tokens_NT = torch.tensor([embedder.tokenizer.encode(TEXTS[0])])
    expected = Encoder.load(place).hidden(tokens_NT, torch.ones_like(tokens_NT))[0].mean(0)
    torch.testing.assert_close(embedder.embed(TEXTS)[0], normalize(expected, dim=0), atol=1e-5, rtol=1e-5)


def test_a_task_checks_it_before_a_run(place):
    judge = AuxiliaryModel(str(place), "classifier", label="foul")
    assert judge.check("judge") == 4 * sum(p.numel() for p in Encoder.load(place).parameters())
    with pytest.raises(SteelyardError, match=r"judge: .* has no label 'rude'"):
        AuxiliaryModel(str(place), "classifier", label="rude").check("judge")
    assert AuxiliaryModel(str(place), "encoder").check("embedder") > 0


def test_what_cannot_be_used_is_refused(place):
    with pytest.raises(SteelyardError, match="holds no tokenizer"):
        (place / "tokenizer.json").rename(place / "elsewhere")
        Classifier.load(str(place))
    (place / "elsewhere").rename(place / "tokenizer.json")
    with pytest.raises(SteelyardError, match="has model type `steelyard`"):
        Policy.load(str(place))
    Encoder(EncoderSizes(head="token", **SIZES)).save(place)
    with pytest.raises(SteelyardError, match="has a head for tokens"):
        Classifier.load(str(place))
    Encoder(EncoderSizes(**SIZES | {"vocab_size": 20})).save(place)
    with pytest.raises(SteelyardError, match="has ids up to 23, but the model only 20 embeddings"):
        Classifier.load(str(place))


def test_labels_need_a_name_each():
    with pytest.raises(SteelyardError, match="1 names are given for 2 labels"):
        EncoderSizes(vocab_size=5, labels=("one",))
