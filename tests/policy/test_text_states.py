"""An encoder that is being trained: as the finished one reads, with a gradient, saved with merged adapters."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from policy.encoders import save_encoder
from steelyard.model import EncoderSizes
from steelyard.policy import LoRA
from steelyard.policy.embedder import Embedder
from steelyard.policy.text_states import TextStates
from steelyard.worlds.word_encoder import word_states

TEXTS = ["a fine day", "no", "", "x" * 99]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_encoder(tmp_path_factory.mktemp("encoder") / "bert")


def test_its_means_are_the_embedders(place: str) -> None:
    read = TextStates.load(place)(TEXTS)
    assert torch.allclose(normalize(read.mean_ND, dim=-1), Embedder.load(place).embed(TEXTS), atol=1e-6)
    assert read.state_NTD.shape[1] == 16, "what is too long loses its end"
    assert read.said_NT.sum(1).tolist() == [12, 4, 2, 16]
    assert not read.state_NTD[~read.said_NT].any()


def test_a_gradient_reaches_the_encoder_or_its_adapters_alone(place: str) -> None:
    whole = TextStates.load(place)
    whole(TEXTS).mean_ND.sum().backward()
    assert any(p.grad is not None for p in whole.parameters())
    adapted = TextStates.load(place, LoRA(rank=2), seed=1)
    adapted(TEXTS).mean_ND.sum().backward()
    learned = {name for name, p in adapted.named_parameters() if p.grad is not None}
    assert learned
    assert all("lora_" in name for name in learned)


def test_what_is_saved_reads_the_same(place: str, tmp_path: Path) -> None:
    for name, lora in (("whole", None), ("adapted", LoRA(rank=2))):
        states = TextStates.load(place, lora)
        with torch.no_grad():
            for parameter in states.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.05 * torch.ones_like(parameter))
            expected = states(TEXTS).mean_ND
            states.save(tmp_path / name)
            assert torch.allclose(TextStates.load(str(tmp_path / name))(TEXTS).mean_ND, expected, atol=1e-5)


def test_words_and_no_words() -> None:
    states = word_states(["a", "b"], width=8, layers=1, context=4, seed=0)
    read = states(["a b", ""])
    assert read.said_NT.tolist() == [[True, True], [False, False]]
    assert not read.mean_ND[1].any()
    assert not states(["", ""]).mean_ND.any()
    assert states.width == 8 == EncoderSizes(4, hidden_size=8, num_heads=2).hidden_size
