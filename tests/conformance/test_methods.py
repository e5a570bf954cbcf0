"""Every registered method of every room, through all checks of its kinds; what its card excuses must fail."""

import dataclasses
import functools
import importlib
import inspect
import pkgutil
import re
import sys
import typing
from pathlib import Path

import pytest

from steelyard.check import checks_for, help_of, import_rooms, kinds_of, room_names
from steelyard.core import cards, find

ROOMS = import_rooms()
CARDS = [card for card in cards() if card.cls.__module__.startswith("steelyard.")]


def cases():
    for card in CARDS:
        for name, check in checks_for(card.cls).items():
            reason = card.exemptions.get(name)
            marks = [] if reason is None else [pytest.mark.xfail(strict=True, reason=reason)]
            yield pytest.param(card.id, check, id=f"{card.id}:{name}", marks=marks)


@functools.cache
def instance(id):
    """One of each, since some hold processes or made their prompts at some cost."""
    return find(id).cls()


@pytest.fixture(scope="module", autouse=True)
def closed():
    yield
    for method in map(instance, [card.id for card in CARDS]):
        if hasattr(method, "close") and not find_exempt(method):
            method.close()
    instance.cache_clear()


def find_exempt(method):
    """True for what was never opened, since without a file it cannot be."""
    return any("file" in reason for card in CARDS if card.cls is type(method) for reason in card.exemptions.values())


@pytest.mark.parametrize(("id", "check"), list(cases()))
def test_conforms(id, check):
    check(instance(id))


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_exemptions_name_checks_and_have_reasons(card):
    assert set(card.exemptions) <= set(checks_for(card.cls))
    assert all(len(reason.split()) >= 3 for reason in card.exemptions.values())


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_card_file_and_export_agree(card):
    room = sys.modules[f"steelyard.{card.room}"]
    stem = card.cls.__module__.rpartition(".")[2]
    assert card.cls.__module__ == f"{room.__name__}.{stem}"
    assert stem in card.id.replace("-", "_")
    assert card.name in room.__all__
    assert getattr(room, card.name) is card.cls
    assert card.summary.endswith(".")
    assert card.paper is None or card.paper in card.text
    assert card.claim is None or ("\n" not in card.claim and len(card.claim) <= 160)


def test_every_objective_is_called_as_its_file():
    for card in (card for card in CARDS if card.room == "objective"):
        assert card.cls.__module__ == f"steelyard.objective.{card.id.replace('-', '_')}"
        assert card.paper is not None


def test_there_is_one_method_to_a_file():
    assert len({card.cls.__module__ for card in CARDS}) == len(CARDS)


def test_rooms_are_found_and_hold_what_their_files_declare():
    assert set(room_names()) == {card.room for card in CARDS}
    assert {"objective", "curriculum", "reward", "task", "replay", "guard"} <= set(room_names())
    declared = {
        ".".join(["steelyard", *file.relative_to(root).with_suffix("").parts])
        for room in ROOMS
        for root in [Path(room.__path__[0]).parent]
        for file in Path(room.__path__[0]).rglob("*.py")
        if re.search(r"^@method\(", file.read_text(), re.M)
    }
    assert declared == {card.cls.__module__ for card in CARDS}, "a room does not import one of its methods"


def modules_of(room):
    """A room's modules, but for those that only run in a process of their own."""
    names = [m.name for m in pkgutil.iter_modules(room.__path__) if not m.name.endswith("worker")]
    return [importlib.import_module(f"{room.__name__}.{name}") for name in names]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_whatever_has_the_shape_of_a_method_has_a_card(room):
    found = {
        cls
        for module in modules_of(room)
        for cls in vars(module).values()
        if isinstance(cls, type) and cls.__module__ == module.__name__ and dataclasses.is_dataclass(cls)
        if not inspect.isabstract(cls)
        if kinds_of(cls) and all(f.default is not f.default_factory for f in dataclasses.fields(cls))
    }
    assert found <= {card.cls for card in CARDS}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_the_command_line_shows_the_help_that_the_catalogue_does(card, capsys):
    import tyro

    with pytest.raises(SystemExit):
        tyro.cli(card.cls, args=["--help"])
    text = "".join(capsys.readouterr().out.replace("│", " ").split())
    hints = typing.get_type_hints(card.cls, include_extras=True)
    for name, text_of_setting in help_of(card.cls).items():
        if tyro.conf.Suppress in getattr(hints[name], "__metadata__", ()):
            continue
        assert "".join(text_of_setting.split()).replace("`", "") in text.replace("`", "")
