"""The shorter sections of docs/add-a-method.md: each file is put where the page says, checked, and tested."""

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from steelyard.check import check_method, import_rooms
from steelyard.core import cards

PAGE = (Path(__file__).parents[2] / "docs" / "add-a-method.md").read_text()
BLOCK = r"`(\S+\.py)`\n\n```python\n(.*?)^```$"
SECTIONS = {
    title: {
        "file": re.search(rf"^File: {BLOCK}", text, re.M | re.S),
        "test": re.search(rf"^Test: {BLOCK}", text, re.M | re.S),
        "import": re.search(r"^Import line: `(from steelyard\.\S+ import \w+)`", text, re.M),
    }
    for title, text in re.findall(r"^### (.*?)\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S)
}
LONGEST = 64  # lines of a block


def module_of(title: str) -> str:
    """The dotted name of a section's file."""
    return SECTIONS[title]["file"][1].removeprefix("src/").removesuffix(".py").replace("/", ".")


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[type]:
    """The class of a section's file, imported from where the page puts it."""
    title = request.param
    import_rooms()
    name = module_of(title)
    room = importlib.import_module(name.rpartition(".")[0])
    registry = sys.modules["steelyard.core.method"]
    monkeypatch.setattr(registry, "_cards", dict(registry._cards))
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(tmp_path)])
    (tmp_path / f"{name.rpartition('.')[2]}.py").write_text(SECTIONS[title]["file"][2])
    importlib.invalidate_caches()
    module = importlib.import_module(name)
    (cls,) = (card.cls for card in cards() if card.cls.__module__ == module.__name__)
    yield cls
    sys.modules.pop(name, None)
    vars(room).pop(name.rpartition(".")[2], None)


def test_every_kind_has_a_section():
    kinds = [
        "reward",
        "environment",
        "curriculum",
        "decode rule",
        "attention variant",
        "encoder's attention",
        "intervention",
        "unlearning",
        "guard",
        "pretraining",
        "preparation of documents",
        "data builder",
        "diffusion trainer",
        "learner of control",
        "an audit",
    ]
    titles = " / ".join(SECTIONS).lower()
    assert [kind for kind in kinds if kind not in titles] == []


@pytest.mark.parametrize("title", SECTIONS)
def test_a_section_is_whole_and_short(title):
    parts = SECTIONS[title]
    assert all(parts.values()), {name for name, part in parts.items() if part is None}
    assert all(len(parts[name][2].splitlines()) <= LONGEST for name in ("file", "test"))
    stem = parts["file"][1].rpartition("/")[2]
    assert parts["test"][1].endswith(f"/test_{stem}")
    assert parts["import"][1].startswith(f"from {module_of(title)} import ")
    assert not (Path(__file__).parents[2] / parts["file"][1]).exists(), "the page adds what the package lacks"


@pytest.mark.parametrize(("title", "added"), [(title, title) for title in SECTIONS], indirect=["added"])
def test_its_file_passes_the_suite_and_its_own_test(title: str, added: type, request: pytest.FixtureRequest):
    assert SECTIONS[title]["import"][1].endswith(f" {added.__name__}")
    verdicts = check_method(added)
    assert len(verdicts) >= 7
    assert {v.check: v.reason for v in verdicts if not v.passed} == {}
    space: dict = {}
    exec(SECTIONS[title]["test"][2], space)
    tests = [function for name, function in space.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test(**{name: request.getfixturevalue(name) for name in inspect.signature(test).parameters})
