"""An encoder of conversations: gates by hand, a conversation of one turn, company, and what is saved."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from policy.encoders import save_encoder
from steelyard.core import SteelyardError
from steelyard.data.conversation_encoder import ConversationEncoder, Selector
from steelyard.policy.text_states import TextStates
from steelyard.worlds.word_encoder import word_states

TURNS = [("a b", "c", "a"), ("b",), ("c c", "b")]


def encoder(selector: Selector = "soft", seed: int = 0) -> ConversationEncoder:
    return ConversationEncoder(word_states(["a", "b", "c"], width=8, layers=1, context=4, seed=0), selector, seed=seed)


def test_by_hand() -> None:
    """Before it has learned every gate stands half open."""
    made = encoder()
    first, second, last = made.states(TURNS[0]).mean_ND
    expected = (last + 0.5 * first + 0.5 * second) / 2
    assert torch.allclose(made([TURNS[0]])[0], normalize(expected, dim=0), atol=1e-6)
    assert torch.allclose(encoder("all")([TURNS[0]])[0], normalize(first + second + last, dim=0), atol=1e-6)
    assert torch.allclose(encoder("last")([TURNS[0]])[0], normalize(last, dim=0), atol=1e-6)


def test_one_turn_is_its_mean_whatever_the_selector() -> None:
    expected = normalize(encoder().states(["b"]).mean_ND, dim=-1)
    kinds: tuple[Selector, ...] = ("soft", "all", "last")
    for selector in kinds:
        assert torch.allclose(encoder(selector)([("b",)]), expected, atol=1e-6)


def test_company_and_batches_change_nothing() -> None:
    made = encoder()
    with torch.no_grad():
        list(made.gate.parameters())[-2].normal_()
    together = made(TURNS)
    assert torch.allclose(together, torch.cat([made([one]) for one in TURNS]), atol=1e-6)
    assert torch.allclose(together, made.embed(TURNS, batch=2), atol=1e-6)
    assert torch.allclose(together.norm(dim=-1), torch.ones(3))
    assert made.embed([]).shape == (0, 8)
    empty = made([("", "")])
    assert not empty.any(), "one without tokens"


def test_what_is_saved_embeds_the_same(tmp_path: Path) -> None:
    made = ConversationEncoder(TextStates.load(save_encoder(tmp_path / "bert")), seed=0)
    with torch.no_grad():
        list(made.gate.parameters())[-2].normal_()
    made.save(tmp_path / "e")
    assert torch.allclose(ConversationEncoder.load(tmp_path / "e", "soft").embed(TURNS), made.embed(TURNS), atol=1e-6)
    (tmp_path / "e" / "gate.safetensors").write_bytes(b"x")
    with pytest.raises(SteelyardError, match="no encoder of conversations can be read"):
        ConversationEncoder.load(tmp_path / "e", "soft")
