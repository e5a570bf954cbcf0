"""What README and the issue promise of the pages: no telemetry, a short guide for agents, a short first file."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_SETTINGS = 12
MOST_LINES = 100


def leaves(table: dict[str, object]) -> Iterator[object]:
    """The settings of a recipe's file; a table holds further ones."""
    for value in table.values():
        yield from leaves(value) if isinstance(value, dict) else [value]


def test_settings_are_counted_through_tables() -> None:
    assert [*leaves({"recipe": "rows", "evaluation": {"prompts": 16, "every": 5}})] == ["rows", 16, 5]


def test_readme_and_security_say_that_there_is_no_telemetry() -> None:
    for page in ("README.md", "SECURITY.md"):
        text = " ".join((ROOT / page).read_text().split())
        assert "There is no telemetry" in text, page


def test_the_file_of_the_quickstart_is_short() -> None:
    (file,) = re.findall(r"^```toml\n(.*?)^```$", (ROOT / "docs" / "quickstart.md").read_text(), re.M | re.S)
    assert 0 < len([*leaves(tomllib.loads(file))]) <= MOST_SETTINGS


def test_the_guide_for_agents_is_short() -> None:
    assert 0 < len((ROOT / "AGENTS.md").read_text().splitlines()) < MOST_LINES
