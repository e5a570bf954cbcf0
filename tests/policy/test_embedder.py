"""An embedding is the mean of the text's own hidden states; what is no encoder is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize

from policy.encoders import save_encoder
from steelyard.core import SteelyardError
from steelyard.policy.auxiliary_model import AuxiliaryModel
from steelyard.policy.embedder import Embedder, mean_distance
from steelyard.reward.novelty import distance_to_others, embed

TEXTS = ["say it", "a", "", "name ten"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_encoder(tmp_path_factory.mktemp("encoder"))


@torch.no_grad()
def by_hand(embedder: Embedder, text: str) -> torch.Tensor:
    """[CLS], the characters' own ids, [SEP]: all states count, and none is padding."""
    tokens = [1, *(embedder.tokenizer.get_vocab()[letter] for letter in text), 2]
    states = embedder.net(input_ids=torch.tensor([tokens])).last_hidden_state[0]
    assert len(states) == len(text) + 2
    return states.mean(0) / states.mean(0).norm()


def test_the_mean_of_the_states_by_hand(place: str) -> None:
    embedder = Embedder.load(place)
    found = embedder.embed(TEXTS)
    assert found.shape == (4, 16) and not found.requires_grad
    torch.testing.assert_close(found, torch.stack([by_hand(embedder, text) for text in TEXTS]), rtol=1e-5, atol=1e-6)
    assert found.norm(dim=1).tolist() == pytest.approx([1.0] * 4)
    assert float((found[0] @ found[3]).abs()) < 0.999, "texts differ"


@pytest.mark.parametrize("side", ["right", "left"])
def test_neither_batch_nor_padding_changes_an_embedding(place: str, side: str) -> None:
    embedder = Embedder.load(place)
    embedder.tokenizer.padding_side = side
    alone = torch.cat([embedder.embed([text]) for text in TEXTS])
    for batch in (1, 3, 64):
        torch.testing.assert_close(embedder.embed(TEXTS, batch=batch), alone, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(embedder.embed(TEXTS[::-1]), alone.flip(0), rtol=1e-5, atol=1e-6)


def test_a_text_is_cut_at_the_context(place: str) -> None:
    embedder = Embedder.load(place)
    long, cut, more = embedder.embed(["abcdefghijklmnopqrst", "abcdefghijklmn", "abcdefghijklm"])  # 14, [CLS] and [SEP]
    torch.testing.assert_close(long, cut, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(cut, more, atol=1e-3)


def test_nothing_to_embed(place: str) -> None:
    embedder = Embedder.load(place)
    assert embedder.embed([]).shape == (0, 16)
    embedder.tokenizer.backend_tokenizer.post_processor = None  # no marks: an empty text has no token at all
    assert embedder.embed(["", ""]).tolist() == [[0.0] * 16] * 2
    assert embedder.embed(["", "ab"]).norm(dim=1).tolist() == pytest.approx([0.0, 1.0])
    with pytest.raises(SteelyardError, match="batch is 0"):
        embedder.embed(TEXTS, batch=0)


def test_mean_distance_by_hand() -> None:
    east, north = [1.0, 0.0], [0.0, 1.0]
    assert mean_distance(torch.tensor([east, north])) == 1.0
    assert mean_distance(torch.tensor([east, east, east])) == 0.0
    assert mean_distance(torch.tensor([east, [-1.0, 0.0]])) == 2.0, "opposite"
    assert mean_distance(torch.tensor([east, east, north])) == pytest.approx(2 / 3)
    assert mean_distance(torch.tensor([east])) == mean_distance(torch.zeros(0, 2)) == 0.0
    pairs = normalize(torch.randn(7, 5, generator=torch.Generator().manual_seed(1)), dim=1)
    cosines = (pairs @ pairs.T)[~torch.eye(7, dtype=torch.bool)]
    assert mean_distance(pairs) == pytest.approx(1 - float(cosines.mean()), abs=1e-6)


def test_where_no_cosine_is_negative_it_is_that_of_n_grams() -> None:
    counted = embed(["say it", "say so", "name ten"])
    assert mean_distance(torch.tensor(counted, dtype=torch.float32)) == pytest.approx(
        np.mean(distance_to_others(counted)), abs=1e-6
    )


def test_a_pooler_is_not_read(place: str, tmp_path: Path) -> None:
    for path in Path(place).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if not name.startswith("pooler.")}
    assert len(kept) == len(weights) - 2
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    torch.testing.assert_close(Embedder.load(str(tmp_path)).embed(TEXTS), Embedder.load(place).embed(TEXTS))
    kept.pop("encoder.layer.1.output.dense.weight")
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(SteelyardError, match=r"lacks 1 of its weights, such as encoder\.layer\.1\.output"):
        AuxiliaryModel(str(tmp_path), "encoder").check("embedder")


def test_an_encoder_among_models_that_a_task_reads(place: str) -> None:
    net = Embedder.load(place).net
    assert AuxiliaryModel(place, "encoder").check("embedder") == 4 * sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_language_model_embeds_nothing(family: str, tiny_model_dir) -> None:
    with pytest.raises(SteelyardError, match=r"embedder: .* is no encoder of sentences"):
        AuxiliaryModel(str(tiny_model_dir(family)), "encoder").check("embedder")


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    scores = save_encoder(tmp_path / "scores", kind="AutoModelForSequenceClassification")
    with pytest.raises(SteelyardError, match=r"is no encoder of sentences \(BertForSequenceClassification\); name one"):
        Embedder.load(scores)
    decodes = save_encoder(tmp_path / "decodes", is_encoder_decoder=True)
    with pytest.raises(SteelyardError, match=r"is no encoder of sentences \(bert\); name one"):
        Embedder.load(decodes)
    save_encoder(tmp_path / "words", kind="AutoModelForMaskedLM")
    assert Embedder.load(str(tmp_path / "words")).embed(TEXTS).shape == (4, 16), "its head is left aside"


def test_a_tokenizer_that_does_not_fit(tmp_path: Path) -> None:
    model = save_encoder(tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    settings.pop("pad_token")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(SteelyardError, match="has no padding token"):
        Embedder.load(model)
    inner = json.loads((tmp_path / "tokenizer.json").read_text())
    inner["model"]["vocab"]["zz"] = 500
    (tmp_path / "tokenizer.json").write_text(json.dumps(inner))
    with pytest.raises(SteelyardError, match="has ids up to 500, but the model only 99 embeddings"):
        Embedder.load(model)
