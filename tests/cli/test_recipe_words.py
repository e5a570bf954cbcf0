import pytest

from steelyard.cli.recipe_words import parse_recipe, split_stages
from steelyard.core import SteelyardError
from steelyard.recipes import find


def parsed(*words):
    return parse_recipe(find("tulu3"), words, command="train tulu3", description="d")


def test_words_belong_to_a_stage_up_to_the_next_flag():
    words = ["--sft", "a", "--dpo.beta", "5", "--dpo.no-chat", "--rlvr.search-temperatures", "0.5", "2", "--sft=b", "c"]
    own, parts = split_stages(words, ["sft", "dpo", "rlvr"])
    assert own == ["--sft", "a", "--sft=b", "c"]
    assert parts == {"sft": [], "dpo": ["--beta", "5", "--no-chat"], "rlvr": ["--search-temperatures", "0.5", "2"]}


def test_files_and_stages():
    found = parsed(
        "--model", "m", "--sft", "a.jsonl", "--sft=b.jsonl=0.5", "--pairs", "p.jsonl", "--rows", "r.jsonl",
        "--reward", "own.py:f", "--reward", "own.py:g=2", "--seed", "3", "--sft.learning-rate=1e-3",
        "--dpo.no-length-normalised", "--rlvr.schedule.beta", "0.1:0.05:10", "--rlvr.columns.prompt", "q",
    )  # fmt: skip
    assert (found.given.model, found.given.seed) == ("m", 3)
    assert (found.given.sft, found.given.pairs) == (("a.jsonl", "b.jsonl=0.5"), ("p.jsonl",))
    assert found.given.reward == ("own.py:f", "own.py:g=2")
    assert (found.sft.learning_rate, found.dpo.objective.length_normalised, found.dpo.objective.beta) == (
        1e-3,
        False,
        5,
    )
    assert str(found.rlvr.schedule["beta"]) == "0.1:0.05:10"
    assert found.rlvr.task.task.columns.prompt == "q"
    assert [stage.settings.max_steps for stage in found.stages()] == [None, None, 446]
    assert found.stages()[2].settings.reward == found.given.reward


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sft.learning-rte", "1"], r"unknown option --sft\.learning-rte; did you mean --sft\.learning-rate"),
        (["--dpo.batch-size", "x"], r"--dpo\.batch-size: is 'x'; give a whole number"),
        (["--rlvr.curriculum", "none"], r"--rlvr\.curriculum: there is no 'none'"),
        (["--sft"], "--sft: has no value"),
        (["--sft.path", "a.jsonl"], r"--sft\.path: is set for one stage, .*; use --sft$"),
    ],
)
def test_errors_name_flags_as_they_were_written(words, said):
    with pytest.raises(SteelyardError, match=said):
        parsed(*words)


@pytest.mark.parametrize(("word", "shown"), [("--help", "--max-overlap"), ("--dpo.help", "--length-normalised")])
def test_help(word, shown, capsys):
    with pytest.raises(SystemExit):
        parsed(word)
    assert shown in capsys.readouterr().out
