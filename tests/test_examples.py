"""Every example runs as a reader runs it, shows what it says it shows, leaves nothing behind and uses public names."""

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
NUMBER = r"(\d\.\d{3})"
SHOWN = {
    "replay_alone": (f"mean reward before {NUMBER}, after {NUMBER}", 0.3),
    "tb_loss_in_your_loop": (f"total variation to pi\\* before {NUMBER}, after {NUMBER}", -0.4),
    "a_task": (f"held-out accuracy before {NUMBER}, after {NUMBER}", 0.2),
    "an_objective": (f"24 of 24 checks passed(?s:.*)total variation to pi\\* before {NUMBER}, after {NUMBER}", -0.2),
    "an_environment": (f"deals before {NUMBER}, after {NUMBER}", 0.2),
    "unlearning": (f"before +forget +probability {NUMBER}(?s:.*)after +forget +probability {NUMBER}", -0.7),
    "a_guard": (f"reward: harmful before {NUMBER}, after {NUMBER}", -0.15),
}
"""Example -> what it prints of before and after, and the least change."""
BESIDE = {
    "unlearning": (f"before +retain +probability {NUMBER}(?s:.*)after +retain +probability {NUMBER}", -0.3),
    "a_guard": (f"filter: harmful without {NUMBER}, with {NUMBER}", -0.15),
}
"""What else two of them show: numbers that hardly fall, and harm that a filter takes away."""
LINES = {"a_task": 30, "an_objective": 40, "an_environment": 40}


@pytest.mark.parametrize("name", SHOWN)
def test_an_example_shows_what_it_says(name: str, tmp_path: Path) -> None:
    one = {**os.environ, "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(EXAMPLES / f"{name}.py")]
    done = subprocess.run(words, cwd=tmp_path, env=one, capture_output=True, text=True, timeout=230, check=False)
    assert done.returncode == 0, done.stderr
    before, after, change = _shown(SHOWN[name], done.stdout)
    assert (after - before) / change >= 1, f"{before} -> {after}"
    if name == "a_guard":
        before, after, change = _shown(BESIDE[name], done.stdout)
        assert after - before <= change, f"{before} -> {after}"
    if name == "unlearning":
        before, after, change = _shown(BESIDE[name], done.stdout)
        assert after - before >= change, f"{before} -> {after}"
    assert list(tmp_path.iterdir()) == []


def _shown(what: tuple[str, float], printed: str) -> tuple[float, float, float]:
    found = re.search(what[0], printed)
    assert found is not None, printed
    return float(found[1]), float(found[2]), what[1]


def test_the_table_has_every_example() -> None:
    listed = re.findall(r"^\| \[(\w+)\.py\]\(\1\.py\)", (EXAMPLES / "README.md").read_text(), re.M)
    assert sorted(listed) == sorted(SHOWN) == sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", SHOWN)
def test_an_example_uses_public_names_and_is_as_short_as_it_says(name: str) -> None:
    tree = ast.parse((EXAMPLES / f"{name}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("steelyard"):
            public = importlib.import_module(str(node.module)).__all__
            assert str(node.module).count(".") == 1
            assert {alias.name for alias in node.names} <= set(public)
    assert sum(map(_lines, tree.body)) <= LINES.get(name, 100)


def _lines(node: ast.stmt) -> int:
    """Lines of a class without its docstrings; 0 for what is no class."""
    if not isinstance(node, ast.ClassDef):
        return 0
    texts = [n for n in ast.walk(node) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)]
    own = {line for text in texts for line in range(text.lineno, (text.end_lineno or text.lineno) + 1)}
    source = (node.lineno + i for i in range((node.end_lineno or 0) - node.lineno + 1))
    return sum(line not in own for line in source)
