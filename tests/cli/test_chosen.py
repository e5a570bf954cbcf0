"""Parts that a command line chooses by id: decode rules and curricula, from the words to the run's records."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from steelyard.cli.chosen import rules_told, take_id, take_rule
from steelyard.cli.train_command import read_words
from steelyard.core import SteelyardError
from steelyard.curriculum import Dump, UCBoost
from steelyard.decode import CNTP


def test_a_rule_and_its_settings_are_taken_out_of_the_words() -> None:
    words = ["runs/x", "--decode", "cntp", "--seed", "3", "--decode.n-max=4", "--decode.ends", ".;"]
    assert take_rule(words, "eval") == (CNTP(n_max=4, ends=".;"), ["runs/x", "--seed", "3"])
    assert take_rule(["runs/x"], "eval") == (None, ["runs/x"])
    assert rules_told().startswith("--decode ID chooses among continuations by a rule: cntp (--decode.n-min, ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--decode cntq", "--decode: there is no 'cntq'; did you mean 'cntp'"),
        ("--decode", "--decode: has no value"),
        ("--decode cntp --decode cntp", "--decode: is given 2 times: cntp, cntp; name one"),
        ("--decode.n-max 3", "--decode.n-max: is set, but no decode rule is named; write --decode cntp, too"),
        ("--decode cntp --decode.n-max 0", "cntp.n_max: is 0; use n_min or more"),
        ("--decode cntp --decode.n-mex 3", "unknown option --decode.n-mex; did you mean --decode.n-"),
        ("--decode cntp --decode.n-max", "--decode.n-max"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_in_one_line(words: str, said: str) -> None:
    with pytest.raises(SteelyardError) as error:
        take_rule(words.split(), "sample")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_curriculum_is_named_and_its_settings_are_flags() -> None:
    assert take_id(["--curriculum", "dump"], "curriculum") == (Dump(), [])
    rows = "rows --path x.jsonl --model m --curriculum"
    run = read_words(f"{rows} ucboost --curriculum.distances sq lb --curriculum.eps 0.1".split()).settings
    assert run.curriculum == UCBoost(distances=("sq", "lb"), eps=0.1)
    run = read_words(f"{rows} dump --curriculum.tau 0.3".split()).settings
    assert run.curriculum == Dump(tau=0.3)


FEW = "--runtime inline --max-steps 2 --num-prompts 2 --search-prompts 2 --num-generations 2 --max-completion-length 6"
FEW += " --replay.warmup 0 --evaluation.prompts 2 --evaluation.sampled-prompts 1 --evaluation.samples 2"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    lines = [{"prompt": f"{a}+{b}=", "answer": a + b, "topic": "even" if a % 2 == 0 else "odd"}
             for a in range(5) for b in range(5)]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_run_with_both_is_recorded_evaluated_and_sampled(
    call: Callable, rows: Path, tmp_path: Path, tiny_model_dir: Callable[[str], Path], family: str
) -> None:
    run = tmp_path / "run"
    line = f"train rows {FEW} --model {tiny_model_dir(family)} --path {rows} --columns.domain topic"
    line += " --decode cntp --decode.n-max 3 --curriculum dump --curriculum.window 9"
    made = call(*line.split(), "--output-dir", run)
    assert made.code == 0, made.err
    kept = json.loads((run / "config.json").read_text())["run"]
    assert (kept["decode"]["method"], kept["decode"]["n_max"]) == ("cntp", 3)
    assert (kept["curriculum"]["method"], kept["curriculum"]["window"]) == ("dump", 9)
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert (last["search/logp_mismatch_mean"], last["search/logp_mismatch_off"]) == (None, "cntp")
    page = (run / "report.html").read_text()
    assert "Searchers chose among continuations by cntp" in page
    assert "dump" in page
    plan = call(*line.split(), "--dry-run")
    assert "--decode cntp" in plan.err
    assert "--curriculum.window 9" in plan.err
    assert "generation: searchers choose among continuations by cntp; engine and learner are not compared" in plan.err
    few = ("--prompts", 2, "--samples", 2)
    plain = call("eval", run, *few, "--sampled-prompts", 2, "--json")
    ruled = call("eval", run, *few, "--sampled-prompts", 2, "--decode", "cntp", "--json")
    assert "decode" not in plain.json
    assert ruled.json["decode"]["method"] == "cntp"
    assert ruled.json["eval/accuracy"] == plain.json["eval/accuracy"], "greedy answers stay greedy"
    drawn = [call("sample", run, *few, "--json", *words).json["samples"] for words in ((), ("--decode", "cntp"))]
    assert [s["prompt"] for s in drawn[0]] == [s["prompt"] for s in drawn[1]]
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize(
    "words",
    [
        "--columns.domain topic --curriculum skill-it --curriculum.edges 0:1 1:0:0.25 --curriculum.round-size 2",
        "--curriculum stat --curriculum.skills topic --curriculum.round-size 2",
    ],
)
def test_a_curriculum_over_skills_learns_from_rewards_and_goes_on(
    call: Callable, rows: Path, tmp_path: Path, tiny_model_dir: Callable[[str], Path], words: str
) -> None:
    run = tmp_path / "run"
    line = f"train rows {FEW} --model {tiny_model_dir('llama')} --path {rows} {words}"
    made = call(*line.split(), "--output-dir", run)
    assert made.code == 0, made.err
    again = call("train", "--resume", run, "--max-steps", 4)
    assert again.code == 0, again.err
    assert json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["step"] == 4


@pytest.mark.parametrize("runtime", ["inline", pytest.param("local", marks=pytest.mark.long)])
def test_a_run_goes_on_with_its_rule(
    call: Callable, rows: Path, tmp_path: Path, tiny_model_dir: Callable[[str], Path], runtime: str
) -> None:
    run = tmp_path / "run"
    line = f"train rows {FEW} --model {tiny_model_dir('llama')} --path {rows} --decode cntp --runtime {runtime}"
    assert call(*line.split(), "--output-dir", run).code == 0
    assert call("train", "--resume", run, "--max-steps", 3).code == 0
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert (last["step"], last["search/logp_mismatch_off"]) == (3, "cntp")


def test_a_part_that_is_a_method_is_chosen_by_its_id_too() -> None:
    words = ["--curriculum", "dump", "--curriculum.index", "ucboost", "--curriculum.index.eps", "0.1"]
    assert take_id(words, "curriculum") == (Dump(index=UCBoost()), words[4:])
    assert read_words(["rows", *words, "--curriculum.index.distances", "sq", "lb"]).settings.curriculum == Dump(
        index=UCBoost(distances=("sq", "lb"), eps=0.1)
    )
    with pytest.raises(SteelyardError, match=r"no 'shuffled'; choose one of ucb1, ucboost"):
        take_id(["--curriculum", "dump", "--curriculum.index", "shuffled"], "curriculum")
