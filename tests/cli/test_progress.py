import io
import re
from itertools import chain

import pytest
from rich.console import Console

from steelyard.cli import progress as module
from steelyard.cli.progress import Progress
from steelyard.cli.train_command import headline

METRICS = {"step": 3, "learner/loss": 0.25, "search/reward_mean": None, "batch/length_mean": 7.0, "replay/size": 512}
ACCURACY = {"step": 0, "eval/accuracy": 0.125, "eval/accuracy_low": 0.1, "eval/accuracy_high": 0.15}
SUMMARY = {"seconds": 41.7, "steps": 150, "trajectories": 9000, "staleness_mean": 2.04, "staleness_max": 7,
           "learner_idle": 0.1, "searcher_idle": 0.0}  # fmt: skip


def watched(rows, *, terminal, title="", width=120):
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=width, color_system=None)
    with Progress(150, title, console) as progress:
        for kind, row in rows:
            progress.watch(kind, row)
    return file.getvalue()


def test_nothing_is_said_before_the_first_row():
    assert watched([], terminal=False, title="steelyard train x") == ""
    said = watched([("eval", ACCURACY), ("eval", ACCURACY)], terminal=False, title="steelyard train x")
    assert said.startswith("steelyard train x\n")
    assert said.count("steelyard train x") == 1


def test_plain_lines_without_a_terminal(monkeypatch):
    monkeypatch.setattr(module, "_PLAIN_EVERY", -1.0)
    said = watched([("metrics", METRICS), ("samples", {"step": 9, "completion": "secret"})], terminal=False)
    assert said == "step 3/150 loss 0.25 length 7 stored 512\n"  # what is unknown is not shown
    assert "\x1b" not in said


def test_plain_lines_are_not_too_many():
    assert watched([("metrics", METRICS)] * 50, terminal=False) == ""


def timed(monkeypatch, steps):
    """Rows of so many steps, a second apart, of which the learner waits half: 16 trajectories of 7 tokens are learned
    from in each, and 10 of 4 come."""
    clock = [0.0]

    def passing():
        for step in range(steps):
            clock[0] = float(step)
            shares = {"learner_idle": 0.5, "searcher_idle": 0.0}
            yield "timing", {"step": step, "seconds": float(step), **shares}
            counted = {"replay/admitted": 100 + 10 * step, "replay/prompts": 3, "search/length_mean": 4.0}
            yield "metrics", METRICS | counted | {"step": step, "batch/trajectories": 16}

    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    return passing()


def test_plain_lines_tell_what_is_left_and_now_and_then_the_speed(monkeypatch):
    lines = watched(timed(monkeypatch, 26), terminal=False).splitlines()
    warned = [line for line in lines if line.startswith("  warning: ")]
    assert len(warned) == 1, "it is told once"
    assert "length 7 learned, 4 sampled: " in warned[0] and "lower --max-staleness" in warned[0]
    lines.remove(warned[0])
    assert lines[0] == "step 6/150 loss 0.25 length 7 stored 512 2 min 24 s left"
    assert len(lines) == 5
    assert (
        lines[4] == "  tokens/s: searchers 40, learner 112; learner waits for searchers 50.0%: try more --num-searchers"
    )


def test_the_live_view_fits_the_terminal(monkeypatch):
    sample = {
        "step": 0,
        "prompt": "of the prompt the end " * 20 + "1+1=",
        "completion": "2\x1b[2J" * 300,
        "reward": 1.0,
    }
    said = watched(chain([("samples", sample)], timed(monkeypatch, 9)), terminal=True, width=80)
    last = said.split("  step  ")[-1]
    assert "8/150" in last and "2 min 22 s left" in last
    for words in ("40 tokens/s, 10 completions/s, idle 0.0%", "112 tokens/s, 1 steps/s, idle 50.0%",
                  "512 stored, 3 prompts, 170 admitted", "learner waits for searchers 50.0%: try more --num-searchers",
                  "length 7 learned, 4 sampled: lower --max-staleness", "reward 1: …", "1+1= -> 2␛[2J2"):  # fmt: skip
        assert words in last
    assert "\x1b[2J" not in last
    assert max(len(line) for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said).replace("\r", "\n").split("\n")) <= 80


def test_a_view_is_drawn_twice_a_second_at_most(monkeypatch):
    monkeypatch.setattr(module.time, "monotonic", lambda: 5.0)
    assert watched([("metrics", METRICS)] * 50, terminal=True).count("3/150") == 2  # and once more at the end
    last = ("metrics", METRICS | {"step": 150})
    assert watched([last] * 2, terminal=True).count("150/150") == 3


@pytest.mark.parametrize("plainly", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_lines_where_the_reader_or_the_terminal_wants_plain_text(monkeypatch, plainly):
    for name, value in plainly.items():
        monkeypatch.setenv(name, value)
    said = watched(timed(monkeypatch, 9), terminal=True)
    assert said.startswith("step 6/150 ") and "\x1b" not in said


def test_lines_on_a_narrow_terminal_are_folded_between_words():
    said = watched([("eval", ACCURACY)], terminal=True, width=30)
    assert said == "  step    0  accuracy 12.5%\n      [10.0%, 15.0%]\n"


def test_an_evaluation_is_one_line_of_accuracy_length_and_styles():
    more = {"eval/length_mean": 7.25, "eval/distinct_correct": 1.5, "eval/correct_styles": {"left": 0.75, "bare": 0.25}}
    assert watched([("eval", ACCURACY | more)], terminal=False) == (
        "  step    0  accuracy 12.5% [10.0%, 15.0%]  length 7.2  distinct right answers 1.5  left 75%  bare 25%\n"
    )


def test_an_evaluation_of_an_enumerable_world_is_its_distance():
    row = {**ACCURACY, "step": 20, "eval/total_variation": 0.5, "eval/log_z_error": 0.25}
    assert (
        watched([("eval", row)], terminal=False) == "  step   20  total variation to pi* 0.5000  log Z error 0.2500\n"
    )


def test_what_a_model_wrote_is_shown_and_not_obeyed():
    styles = {"[/red]": 0.5, "[link=x]a": 0.25, "\x1b[2J:boom:": 0.25}
    said = watched([("eval", ACCURACY | {"eval/correct_styles": styles})], terminal=False, title="train [bold] \x07")
    assert said.startswith("train [bold] ␇\n")
    assert said.endswith("  [/red] 50%  [link=x]a 25%  ␛[2J:boom: 25%\n")


def test_a_live_table_on_a_terminal():
    said = watched([("eval", ACCURACY), ("metrics", METRICS)], terminal=True)
    assert "loading the model" in said
    for word in ("step", "3/150", "loss", "0.25", "stored", "512", "accuracy 12.5%"):
        assert word in said
    assert "\x1b[" in said  # it redraws itself, and clears itself at the end


def test_the_live_table_is_taken_down_when_the_run_fails():
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    progress = Progress(10, console=console)
    try:
        with progress:
            progress.watch("metrics", METRICS)
            raise RuntimeError
    except RuntimeError:
        assert not progress._live.is_started


def rows(key, *values):
    return [{"step": 10 * i, "eval/accuracy": 0.0, key: value} for i, value in enumerate(values)]


def test_the_headline_of_an_accuracy():
    assert headline(SUMMARY, rows("eval/accuracy", 0.1, 0.5, 0.934)) == (
        "held-out accuracy 10.0% -> 93.4%; 42 s, 150 steps, 9000 trajectories; staleness mean 2.0, max 7; "
        "idle: learner 10%, searchers 0%"
    )


def test_the_headline_of_what_a_task_measures_of_its_own_names_no_accuracy():
    said = headline(SUMMARY, rows("eval/total_variation", 0.5, 0.012))
    assert said.startswith("total variation to pi* 0.5 -> 0.012; 42 s")
    attacks = [row | {"eval/families": 2.0 + row["step"] / 10} for row in rows("eval/success", 0.01, 0.978)]
    assert headline(SUMMARY, attacks).startswith("attacks that succeed 1.0% -> 97.8%, families 3; 42 s")
    assert headline(SUMMARY, rows("eval/gold_win_rate", 0.5, 0.7)).startswith("gold win rate 50.0% -> 70.0%; 42 s")


def test_the_headline_without_evaluation_or_staleness():
    said = headline(SUMMARY | {"staleness_mean": None}, [])
    assert said == "42 s, 150 steps, 9000 trajectories; idle: learner 10%, searchers 0%"


def test_what_a_task_measures_of_its_own_is_said_as_it_comes():
    row = {"step": 20, "eval/accuracy": 1.0, "eval/accuracy_low": 0.2, "eval/accuracy_high": 1.0, "eval/success": 0.25,
           "eval/families": 3.0, "eval/toxicity": 0.4, "eval/kl_to_reference": 1.5}  # fmt: skip
    said = watched([("eval", row)], terminal=False)
    assert said == "  step   20  attacks that succeed 25.0%  families 3  KL(pi, ref) 1.5\n"


def test_the_verifier_stands_beside_a_reward_of_ones_own():
    own = {"eval/reward_mean": -7.25, "eval/verifier_accuracy": 0.5}
    assert watched([("eval", ACCURACY | own)], terminal=False) == (
        "  step    0  accuracy 12.5% [10.0%, 15.0%]  reward -7.25  by the task's verifier 50.0%\n"
    )


def test_long_waits_are_told_every_ten_seconds():
    words = [("waiting", {"who": "searcher 0", "what": "scoring 64 completions with reward 'f'", "seconds": s})
             for s in (5.0, 10.1, 15.0, 20.2, 5.0, 11.0)]  # fmt: skip
    line = "  searcher 0: scoring 64 completions with reward 'f', {} s\n"
    assert watched(words, terminal=False) == "".join(map(line.format, (10, 20, 11)))
