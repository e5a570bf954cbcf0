import sys
from dataclasses import FrozenInstanceError, dataclass

import pytest

from steelyard.core import SteelyardError, cards, find, id_of, method, settings
from steelyard.objective import DPO, VarGradTB


@dataclass(frozen=True)
class Registered:
    """A method."""

    size: int = 3


DECLARE = method(
    "test-only", paper="arXiv:0000.00000", claim="it helps", exemptions={"finite": "a test"}, room="test-room"
)


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """A copy of the registry with one more method, so that nothing of these tests stays in it."""
    home = sys.modules["steelyard.core.method"]  # the package's attribute of that name is the decorator
    monkeypatch.setattr(home, "_cards", dict(home._cards))
    DECLARE(Registered)


def test_a_card_says_what_was_declared():
    card = find("test-only")
    assert (card.id, card.room, card.cls, card.name) == ("test-only", "test-room", Registered, "Registered")
    assert (card.paper, dict(card.exemptions)) == ("arXiv:0000.00000", {"finite": "a test"})


def test_cards_cannot_be_changed():
    card = find("test-only")
    with pytest.raises(FrozenInstanceError):
        card.paper = None
    with pytest.raises(TypeError):
        card.exemptions["picklable"] = "no"


def test_the_room_is_read_from_the_module():
    assert find("vargrad-tb").room == "objective"
    assert find("vargrad-tb") in cards("objective")
    assert cards("test-room") == [find("test-only")]


def test_cards_are_sorted_by_room_and_id():
    keys = [(card.room, card.id) for card in cards()]
    assert keys == sorted(keys)
    assert len({id for _, id in keys}) == len(keys)


def test_text_and_summary_come_from_the_module():
    card = find("vargrad-tb")
    assert card.summary == "Trajectory balance with log Z estimated from the prompt's own group."
    assert "arXiv:2503.18929" in card.text


def test_parts_of_the_text():
    card = find("dr-grpo")
    assert card.equation.startswith("    A_j = r_j - mean_k r_k\n")
    assert card.part("Source") == "Liu et al. 2025, arXiv:2503.20783."
    assert card.part("Differs").startswith("the value is that of")
    assert card.part("Differs").endswith("for old and behaviour policy alike.")
    assert card.part("Nonsense") is None
    assert (find("test-only").claim, find("test-only").equation) == ("it helps", "")


def test_id_of_knows_instances_and_classes_but_not_subclasses():
    @dataclass(frozen=True)
    class Child(VarGradTB):
        pass

    assert id_of(VarGradTB(beta=1.0)) == id_of(VarGradTB) == "vargrad-tb"
    assert id_of(Child()) is None
    assert id_of(3) is None


def test_settings_are_the_fields_one_level_deep():
    assert settings(Registered()) == {"size": 3}
    assert settings(DPO()) == {"beta": 0.1, "length_normalised": False}  # class variables are not settings


def test_only_frozen_dataclasses_register():
    with pytest.raises(TypeError, match="frozen dataclass"):

        @method("test-thawed")
        @dataclass
        class Thawed:
            pass

    with pytest.raises(TypeError, match="frozen dataclass"):
        method("test-plain")(int)


def test_a_taken_id_is_refused_but_the_same_class_may_come_again():
    with pytest.raises(ValueError, match="test-only"):

        @method("test-only")
        @dataclass(frozen=True)
        class Other:
            pass

    assert find("test-only").cls is Registered
    assert DECLARE(Registered) is Registered


def test_unknown_ids_are_answered_with_near_ones():
    with pytest.raises(SteelyardError, match="did you mean 'vargrad-tb'"):
        find("vargrad-tp")
