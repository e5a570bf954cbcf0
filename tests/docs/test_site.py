"""The documentation is built as a site, with every warning an error, and its tables name settings that exist."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from steelyard.cli import main

ROOT = Path(__file__).parents[2]
LEFT = ROOT / "docs" / "coming-from.md"
RECIPES = ("rows", "rows-grpo", "rows-gspo", "rows-tis", "rows-icepop", "judged-rows", "tools", "text-game")
"""Between them they have every flag of that page."""


def test_the_site_is_built_and_asks_nobody(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(words, cwd=ROOT, env=quiet, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    pages = {str(page.relative_to(tmp_path / "site")): page.read_text() for page in tmp_path.rglob("*.html")}
    assert "Post-train language models off-policy" in pages["index.html"]
    assert "clip(rho, 1 - c, 1 + c)" in pages["api/objective.html"], "a method's equation"
    for name, page in pages.items():
        fetched = re.findall(r"<(?:script|img|iframe)[^>]* src=[\"']?(https?://[^\"' >]+)", page)
        fetched += re.findall(r"<link[^>]* rel=[\"']?stylesheet[\"']?[^>]* href=[\"']?(https?://[^\"' >]+)", page)
        assert fetched == [], name


def test_whoever_comes_from_elsewhere_finds_flags_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9.-]*[a-z0-9]", LEFT.read_text())) - {"--dry-run", "--resume"}
    assert len(flags) > 40
    for recipe in RECIPES:
        with pytest.raises(SystemExit):
            main(["train", recipe, "--help"])
    told = capsys.readouterr().out
    assert {flag for flag in flags if not re.search(rf"{re.escape(flag)}(?![\w-])", told)} == set()


def test_what_was_written_there_is_a_recipe_here() -> None:
    from steelyard.recipes import find

    named = set(re.findall(r"`(rows[a-z-]*|judged-rows|gsm8k|math|tldr[a-z0-9-]*)`", LEFT.read_text()))
    assert {"rows-grpo", "rows-unified", "tldr-1b"} <= named
    for recipe in named:
        find(recipe)
