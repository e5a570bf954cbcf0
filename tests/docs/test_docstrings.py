"""Examples in docstrings say what Python says."""

import ast
import doctest
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "steelyard"
PROMPT = ">>> "


def examples(file: Path) -> list[tuple[str, str, int]]:
    """Name, text and line of every docstring of a file with an example in it."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = [(tree, "module")]
    found += [(node, node.name) for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    told = [(name, ast.get_docstring(node) or "", getattr(node, "lineno", 1)) for node, name in found]
    return [(name, text, line) for name, text, line in told if PROMPT in text]


FILES = sorted(path for path in PACKAGE.rglob("*.py") if PROMPT in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_the_examples_of_a_file(file: Path) -> None:
    name = ".".join(("steelyard", *file.relative_to(PACKAGE).with_suffix("").parts))
    known = vars(importlib.import_module(name))
    said: list[str] = []
    for owner, text, line in examples(file):
        test = doctest.DocTestParser().get_doctest(text, dict(known), f"{name}.{owner}", str(file), line)
        assert test.examples
        doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert not said, "".join(said)


def test_every_core_room_has_some() -> None:
    rooms = {file.relative_to(PACKAGE).parts[0] for file in FILES}
    assert {"core", "replay", "objective", "curriculum"} <= rooms
