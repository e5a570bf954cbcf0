"""docs/own-engine.md: its file passes its own test, a run generates with it, and so does the suite of all engines."""

import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from steelyard.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "own-engine.md").read_text()
FILES = dict(re.findall(r"^(?:File|Test): `(\S+\.py)`\n\n```python\n(.*?)^```$", PAGE, re.M | re.S))
SMALLER = "--num-prompts 2 --search-prompts 2 --num-generations 4 --search-generations 4 --replay.warmup 8"
SMALLER += " --evaluation.prompts 4 --evaluation.sampled-prompts 1 --evaluation.samples 2"


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's files in the working directory, where they can be imported."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield tmp_path
    for name in FILES:
        sys.modules.pop(name.removesuffix(".py"), None)


def test_the_page_has_a_file_and_its_test() -> None:
    assert [*FILES] == ["plain_engine.py", "test_plain_engine.py"]


def test_its_test_passes(written: Path) -> None:
    module = importlib.import_module("test_plain_engine")
    module.test_it_draws_what_the_cached_engine_draws()


def test_a_run_generates_with_it(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (command,) = re.findall(r"^```sh\n(.*?)\n```$", PAGE, re.M | re.S)
    _, *words = shlex.split(command)
    assert main([*words, *SMALLER.split()]) == 0, capsys.readouterr().err
    assert (written / "runs" / "plain" / "model").is_dir()


@pytest.mark.long
def test_the_suite_of_engines_passes_it(written: Path) -> None:
    (line,) = re.findall(r"^ +ENGINE=(\S+) python -m pytest (tests/engines -k yours)$", PAGE, re.M)
    named, words = f"{written}/{line[0]}", shlex.split(line[1])
    asked = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    done = subprocess.run(
        asked, cwd=ROOT, env={**os.environ, "ENGINE": named}, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"\b1\d passed", done.stdout), "every check was asked of it"
