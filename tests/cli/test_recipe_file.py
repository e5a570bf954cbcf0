import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import steelyard
from steelyard.cli import main
from steelyard.cli.recipe_file import from_file, save, text
from steelyard.cli.recipe_words import parse_recipe, repeated_flags
from steelyard.core import SteelyardError
from steelyard.recipes import find

FILE = """
recipe = "rows"
model = "m"
reward = ["a.py:f", "b.py:g=0.5"]
max_steps = 3
filter-overlong-prompts = true
columns.prompt = "q"

[replay]
warmup = 0

[curriculum]
id = "dump"
tau = 0.25
"""
WORDS = [
    "--model=m", "--reward", "a.py:f", "b.py:g=0.5", "--max-steps=3", "--filter-overlong-prompts", "--columns.prompt=q",
    "--replay.warmup=0", "--curriculum=dump", "--curriculum.tau=0.25",
]  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text(FILE)
    return str(path)


def settings(name, words):
    return parse_recipe(find(name), words, command=f"train {name}", description="d")


def test_a_file_is_the_words_of_a_command_line(file):
    assert from_file(file, []) == ("rows", WORDS)


def test_what_stands_beside_the_file_replaces_what_it_says(file):
    _, words = from_file(file, ["--reward", "c.py:h", "--no-filter-overlong-prompts", "--curriculum", "shuffled"])
    assert words[:3] == ["--model=m", "--max-steps=3", "--columns.prompt=q"]
    assert words[-5:] == ["--reward", "c.py:h", "--no-filter-overlong-prompts", "--curriculum", "shuffled"]


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("rows", WORDS),
        ("arithmetic", ["--no-flash", "--stop", r"\nQ", "--stop", "b", "--learning-rate", "1e-4", "--seed", "-0"]),
        ("tulu3", ["--sft", "a.jsonl", "--sft=b.jsonl=0.5", "--dpo.no-length-normalised", "--rlvr.reward", "m:f"]),
        ("skill", []),
    ],
)
def test_what_was_saved_gives_the_same_words(recipe, words, tmp_path):
    repeated = ["--reward", "--stop", "--sft", "--rlvr.reward"]
    save(str(tmp_path / "a.toml"), recipe, words, repeated)
    once = from_file(str(tmp_path / "a.toml"), [])
    save(str(tmp_path / "b.toml"), *once, repeated)
    assert from_file(str(tmp_path / "b.toml"), []) == once


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("arithmetic", ["--max-steps", "3", "--stop", r"\nQ", "--stop", "b", "--curriculum", "dump",
                        "--curriculum.tau", "0.25", "--replay.warmup=0", "--max-steps", "4", "--reward", "m:f",
                        "--reward", "m:g=2", "--schedule.beta", "0.1:0.05:10"]),
        ("tulu3", ["--model", "m", "--sft", "a.jsonl", "--sft=b.jsonl=0.5", "--pairs", "p", "--rows", "r",
                   "--reward", "m:f", "--dpo.no-length-normalised", "--sft.learning-rate=1e-3"]),
        ("sft", ["--model", "m", "--path", "a b.jsonl", "--learning-rate", "1e-4"]),
    ],
)  # fmt: skip
def test_a_saved_recipe_has_the_settings_that_were_given(name, words, tmp_path):
    given_settings = settings(name, words)
    path = str(tmp_path / "my.toml")
    save(path, name, words, repeated_flags(find(name)))
    found, again = from_file(path, [])
    assert found == name
    assert settings(name, again) == given_settings


@given(st.lists(st.tuples(st.sampled_from(["--a", "--b.c", "--b", "--no-d"]), st.text(max_size=6)), max_size=5))
def test_any_text_comes_back(pairs):
    words = [f"{flag}={value}" for flag, value in pairs]
    table = tomllib.loads(text("rows", words, []))
    last = dict(pairs)
    if "--a" in last:
        found = table["a"]
        assert str(found) == last["--a"] or float(found) == float(last["--a"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("recipe = rows", "is no TOML"),
        ("model = 'm'", "names no recipe"),
        ("recipe = 'rows'\nmodel = 2020-01-01", "model is datetime"),
        ("recipe = 'rows'\nreward = []", r"reward is \[\]"),
        ("recipe = 'rows'\nreward = [['a']]", "reward is"),
    ],
)
def test_a_wrong_file(content, said, tmp_path):
    (tmp_path / "w.toml").write_text(content)
    with pytest.raises(SteelyardError, match=said):
        from_file(str(tmp_path / "w.toml"), [])


def test_it_is_not_written_over(tmp_path):
    with pytest.raises(SteelyardError, match=r"end the file's name in \.toml"):
        save(str(tmp_path / "a.json"), "rows", [], [])
    (tmp_path / "a.toml").write_text("mine")
    with pytest.raises(SteelyardError, match="exists"):
        save(str(tmp_path / "a.toml"), "rows", [], [])
    assert (tmp_path / "a.toml").read_text() == "mine"


def test_saved_shown_and_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["train", "arithmetic", "--runtime", "inline", "--max-steps", "1", "--num-prompts", "1"]
    few = ["--search-prompts", "1", "--num-generations", "2", "--replay.warmup", "0", "--max-completion-length", "4"]
    held = ["--evaluation.prompts", "1", "--evaluation.sampled-prompts", "1", "--evaluation.samples", "2"]
    assert main([*words, *few, *held, "--save-recipe", "my.toml"]) == 0
    assert "steelyard train my.toml" in capsys.readouterr().err
    assert not Path("runs").exists()
    assert main(["train", "my.toml", "--max-steps", "2", "--dry-run"]) == 0
    result = steelyard.train("my.toml", max_steps=2, output_dir="run", report=False)
    assert (result.summary["recipe"], result.summary["steps"]) == ("arithmetic", 2)
