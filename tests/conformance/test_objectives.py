import dataclasses
import importlib
import pkgutil

import pytest

import steelyard.objective as room
from steelyard.check import OBJECTIVE_CHECKS
from steelyard.core import cards
from steelyard.objective import Objective

CARDS = [card for card in cards("objective") if card.cls.__module__.startswith("steelyard.")]


def cases():
    for card in CARDS:
        for name, check in OBJECTIVE_CHECKS.items():
            reason = card.exemptions.get(name)
            marks = [] if reason is None else [pytest.mark.xfail(strict=True, reason=reason)]
            yield pytest.param(card, check, id=f"{card.id}:{name}", marks=marks)


@pytest.mark.parametrize(("card", "check"), list(cases()))
def test_conforms(card, check):
    check(card.cls())


def test_exemptions_name_checks():
    for card in CARDS:
        assert set(card.exemptions) <= set(OBJECTIVE_CHECKS), card.id


def test_every_method_in_the_room_has_a_card_and_its_own_module():
    modules = [importlib.import_module(f"{room.__name__}.{m.name}") for m in pkgutil.iter_modules(room.__path__)]
    found = {
        cls
        for module in modules
        for cls in vars(module).values()
        if isinstance(cls, type) and cls.__module__ == module.__name__
        if dataclasses.is_dataclass(cls) and callable(cls)
        if "__call__" in vars(cls)
    }
    assert found == {card.cls for card in CARDS}
    assert len({card.cls.__module__ for card in CARDS}) == len(CARDS)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_id_file_and_export_agree(card):
    assert card.cls.__module__ == f"{room.__name__}.{card.id.replace('-', '_')}"
    assert card.name in room.__all__
    assert getattr(room, card.name) is card.cls
    assert isinstance(card.cls(), Objective)
    assert card.summary.endswith(".")
    assert card.paper is not None
    assert card.paper in card.text


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_every_setting_has_its_line_of_help(card, capsys):
    import tyro

    with pytest.raises(SystemExit):
        tyro.cli(card.cls, args=["--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for f in dataclasses.fields(card.cls):
        flag = f"--{f.name.replace('_', '-')}"
        assert flag in text
        assert len(text.partition(flag)[2].split("(default")[0].split()) > 4, f"{flag} has no help"
