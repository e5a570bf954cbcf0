"""docs/architecture.md names what there is: every dotted name resolves, and the picture is the import contract."""

import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
LAYERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
ROOMS = {room for layer in LAYERS for room in layer.split(" | ")}
NAMES = sorted({
    name for name in re.findall(r"`([a-z_]+(?:\.\w+)+)`", PAGE) if name.partition(".")[0] in ROOMS
})  # fmt: skip


def resolve(name: str) -> Any:
    """The module, class or function of a dotted name below `steelyard`."""
    words = ["steelyard", *name.split(".")]
    found = importlib.import_module("steelyard")
    for i, word in enumerate(words[1:], start=2):
        try:
            found = importlib.import_module(".".join(words[:i]))
        except ModuleNotFoundError:
            found = getattr(found, word)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_name_on_the_page_is_in_the_code(name: str) -> None:
    assert resolve(name) is not None


def test_a_wrong_name_does_not_resolve() -> None:
    with pytest.raises(AttributeError):
        resolve("learner.learner.Learner.stepp")


def test_the_page_names_the_whole_way() -> None:
    assert len(NAMES) > 40
    assert {"searcher", "replay", "learner", "objective", "policy", "rollout", "runtime"} <= {
        name.partition(".")[0] for name in NAMES
    }


def test_the_picture_is_the_import_contract() -> None:
    picture = PAGE.partition("```\n")[2].partition("```")[0]
    lines = [re.split(r"\s{2,}", line[12:])[0] for line in picture.splitlines()]
    assert [line for line in lines if line and not line.startswith("-")] == LAYERS
