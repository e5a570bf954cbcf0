"""benchmarks/strangers_path.py takes its code and commands out of the pages: they are there, and are what they seem.

The path itself takes minutes and installs everything: `make stranger`.
"""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from steelyard.cli import main

FILE = Path(__file__).parents[2] / "benchmarks" / "strangers_path.py"


@pytest.fixture(scope="module")
def path():
    spec = importlib.util.spec_from_file_location("strangers_path", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop(spec.name)


def test_the_reward_and_its_rows(path):
    space: dict = {}
    exec(path.own_reward(), space)
    first, *others = (json.loads(line) for line in path.rows().splitlines())
    assert first == {"prompt": "1+7-1+9=", "answer": "16"} and len(others) == 39
    # .02 for each character: five and wrong, since it goes on; four and right
    assert space["brief"]([], ["8=16 ", "8=16"], ["16", "16"]) == [-0.1, 1 - 0.08]


def test_the_game_ends(path):
    space: dict = {}
    exec(path.own_game(), space)
    game = space["HigherLower"]()
    first, _ = game.reset(seed=3)
    assert first.endswith(":")
    told, reward, over, *_ = game.step(str(game.number))
    assert (told, reward, over) == ("", 1.0, True)


def test_the_commands_are_whole(path):
    assert path.rows_command()[:7] == [
        *("steelyard", "train", "rows", "--model", "steelyard/arithmetic", "--path", "questions.jsonl"),
    ]
    words = path.game_command()
    assert words[:7] == [
        *("steelyard", "train", "text-game", "--model", "steelyard/guessing", "--game", "my_game.py:HigherLower"),
    ]
    assert words[words.index("--max-steps") + 1] == "3" and "\\" not in " ".join(words)


def test_both_commands_can_be_run(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # a game's module is looked for here, and not in later tests
    (tmp_path / "mine.py").write_text(path.own_reward())
    (tmp_path / "my_game.py").write_text(path.own_game())
    (tmp_path / "questions.jsonl").write_text(path.rows())
    for _, *words in (path.rows_command(), path.game_command()):
        assert main([*words, "--dry-run"]) == 0, capsys.readouterr().err


def test_what_a_page_does_not_say_is_a_failed_step(path):
    with pytest.raises(path.StepError, match=r"README.md does not say 'make \(tea\)'"):
        path.said("README.md", "make (tea)")


def test_every_step_has_its_own_row(path, tmp_path):
    steps = path.steps_of(path.Stranger(tmp_path, "python3"))
    assert [step.name for step in steps if step.needed] == ["the repository", "installed", "first curve"]
    assert len({step.name for step in steps}) == len(steps) == 9


def test_the_table_of_the_docs_has_its_rows(path, tmp_path):
    page = (FILE.parents[1] / "docs" / "quickstart.md").read_text()
    for step in path.steps_of(path.Stranger(tmp_path, "python3")):
        assert f"| {step.name} | `{step.how}` |" in page
