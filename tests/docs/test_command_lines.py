"""Every command line in README and docs is one that the program has: command, name and flags."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from steelyard.cli import COMMANDS, EVERYWHERE, main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMED = {
    "train": "arithmetic",
    "audit": "tofu",
    "study": "lag",
    "bench": "replay",
    "build-base": "arithmetic",
}
"""Commands whose options depend on the name that follows, and one such name."""
ADDED = {"raft", "surprise"}  # what add-a-method.md adds


def command_lines() -> list[str]:
    """What stands in code spans and code blocks, without comments."""
    found = set()
    for page in PAGES:
        text = page.read_text()
        spans = re.findall(r"`(steelyard [^`]+)`", text)
        blocks = re.findall(r"^ *(steelyard [^#\n]+)", text, re.M)
        found |= {" ".join(line.split()) for line in (*spans, *blocks)}
    return sorted(line for line in found if re.match(r"steelyard [a-z]", line))


@pytest.mark.parametrize("line", command_lines())
def test_a_command_line_of_the_docs_is_one(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, command, *words = line.rstrip(".,;:)").split()
    assert command in COMMANDS
    names = [word for word in words[:1] if re.fullmatch(r"[a-z][a-z0-9-]*", word) and word not in ADDED]
    chosen = names if command in NAMED else []
    flags = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z][\w.-]*(=.*)?", word)} - {*EVERYWHERE}
    if not flags and not chosen:
        return
    parts = [w for pair in pairwise(words) if pair[0] == "--curriculum" for w in pair]
    parts = parts if parts[1:] and parts[1].islower() else []  # its settings are options only where it is chosen
    with pytest.raises(SystemExit) as end:
        main([command, *(chosen or [NAMED[command]] if command in NAMED else []), *parts, "--help"])
    assert not end.value.code
    told = capsys.readouterr().out + "--dry-run --resume --help"
    assert {flag for flag in flags if not re.search(rf"{re.escape(flag)}(?![\w-])", told)} == set()
