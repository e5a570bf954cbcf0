import json
from types import SimpleNamespace

import numpy as np
import pytest

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.data import IncorrectSynth, Question, Tools, records_of
from steelyard.data.incorrect_synth import Heard, after
from steelyard.data.work import BuildingWork
from steelyard.policy import Policy
from steelyard.pretrain.held_out_pairs import given_pair
from steelyard.task.preferences import PreferenceFile

SAID = {"x:": ["a\nR", "q\nW"], "x:a\n": ["R", "s\nR"], "x:a\nb\n": ["W", "W"]}
"""What the generator goes on to write; a text that ends in R is right."""
ROW = {"prompt": "x:", "solution": "a\nb\nW", "answer": "R"}


class Writer(SimpleNamespace):
    def __call__(self, questions, seed):
        return [self.said[q.prompt if isinstance(q.prompt, str) else str(q.prompt)][q.sample] for q in questions]


class Verifier(SimpleNamespace):
    def __call__(self, prompts, completions, **columns):
        self.asked = {"prompts": prompts, "completions": completions, **columns}
        return [None if "?" in said else float(said.count("R")) for said in completions]


def built(said=SAID, row=ROW, **settings):
    records = records_of([("line 1", row)])
    tools = Tools(0, Writer(name="w", said=said), Verifier(name="v"))
    return IncorrectSynth(**{"continuations": 2, "form": "steps"} | settings).build(records, records, tools), tools


def test_by_hand():
    """One of two comes right from the problem, both after a, none after b: Q is 1/2, 1, 0, 0, and b is the pit."""
    [pair], tools = built()
    assert pair.fields == {
        "prompt": "x:a\n",
        "solution": "a\nb\nW",
        "answer": "R",
        "chosen": "R",
        "rejected": "b\n",
        "chosen_ends": True,
        "rejected_ends": False,
        "pit": 2,
        "values": [0.5, 1.0, 0.0, 0.0],
    }
    assert tools.judge.asked == {
        "prompts": ["x:"] * 7,
        "completions": ["a\nR", "q\nW", "a\nR", "a\ns\nR", "a\nb\nW", "a\nb\nW", "a\nb\nW"],
        "answer": ["R"] * 7,
    }
    assert pair.origin.asked == {"generator": "w", "judge": "v"}


def test_solutions_are_compared_from_the_problem_on():
    [pair], _ = built(form="solutions")
    found = [pair.fields[name] for name in ("prompt", "chosen", "rejected", "chosen_ends", "rejected_ends")]
    assert found == ["x:", "a\nR", "a\nb\n", True, False]


def test_of_a_right_solution_a_spurious_step_is_the_pit():
    [pair], _ = built(row=ROW | {"solution": "a\nb\nR"})
    assert (pair.fields["rejected"], pair.fields["values"]) == ("b\n", [0.5, 1.0, 0.0, 1.0])


def test_the_last_step_ends_and_a_step_that_goes_on_does_not():
    [pair], _ = built(SAID | {"x:a\nb\n": ["W", "c\nd\nR"]})
    assert [pair.fields[name] for name in ("chosen", "chosen_ends")] == ["c\n", False]
    assert [pair.fields[name] for name in ("rejected", "rejected_ends", "pit")] == ["W", True, 3]


def test_what_is_best_rated_is_chosen_and_the_step_itself_is_not():
    assert built(SAID | {"x:a\n": ["R", "RR"]})[0][0].fields["chosen"] == "RR"
    assert built(SAID | {"x:a\n": ["b\nR", "s\nR"]})[0][0].fields["chosen"] == "s\n"
    assert built(SAID | {"x:a\n": ["b\nR", "b\nR"]})[0] == []


@pytest.mark.parametrize(
    ("said", "row", "settings"),
    [
        (SAID, ROW, {"drop": 1.0}),
        ({name: ["W", "W"] for name in SAID}, ROW, {}),
        ({name: ["R", "R"] for name in SAID}, ROW | {"solution": "a\nb\nR"}, {}),
        (SAID | {"x:": ["?", "?"]}, ROW, {}),
        (SAID, ROW | {"solution": "a\nb\n?"}, {}),
    ],
    ids=["falls too little", "never right", "always right", "no step can be told", "the solution cannot be told"],
)
def test_without_a_pit_there_is_no_pair(said, row, settings):
    assert built(said, row, **settings)[0] == []


def test_what_cannot_be_told_is_no_zero():
    assert Heard([["a", "b"]], [[1.0, None]], 0.5).values == [1.0, 0.5]
    assert Heard([["a", "b"]], [[None, None]], 0.5).values == []


@pytest.mark.parametrize(
    ("end", "text", "steps"),
    [
        (r"\n+", "a\n\nb\nc", ["a\n\n", "b\n", "c"]),
        (r"\n", "\na\n\nb\n \n", ["\na\n\n", "b\n \n"]),
        (r"[=~]\d", "2=01~63", ["2=0", "1~6", "3"]),
        (r"\n+", "all of it", ["all of it"]),
        (r"\n+", "", []),
    ],
)
def test_steps_put_together_are_the_text(end, text, steps):
    assert IncorrectSynth(step_end=end).steps_of(text) == steps
    assert "".join(steps) == text


def test_in_a_chat_the_steps_before_are_an_open_turn_of_the_assistant():
    asked = [{"role": "user", "content": "x:"}]
    opened = [*asked, {"role": "assistant", "content": "a\n"}]
    assert after(asked, "") == asked
    assert after(asked, "a\n") == opened
    assert after(opened, "b") == [*asked, {"role": "assistant", "content": "a\nb"}]
    said = {str(after(asked, steps)): SAID[f"x:{steps}"] for steps in ("", "a\n", "a\nb\n")}
    for row, settings in ((ROW, {"chat": True}), (ROW | {"prompt": asked}, {})):
        [pair], tools = built(said, row, **settings)
        assert pair.fields["prompt"] == opened
        assert tools.judge.asked["prompts"] == [asked] * 7


def test_a_column_does_not_hide_an_argument_of_the_judge():
    with pytest.raises(SteelyardError, match="--rows: completions would hide an argument of the judge; rename"):
        built(row=ROW | {"completions": "a"})


JUDGE = """
def without(prompts, completions, answer, **columns):
    return [-float(said.count(letter)) for said, letter in zip(completions, answer)]
"""
"""What a tiny random model writes is rated by how often the letter of the column occurs: not at all is best."""


@pytest.fixture
def wrong(tmp_path, tiny_model_dir):
    """Flags of a build from twelve solutions whose last step is wrong."""
    (tmp_path / "judge.py").write_text(JUDGE)
    rows = [{"prompt": f"{n}+1=", "solution": "a#c#bbbb", "answer": "b"} for n in range(12)]
    (tmp_path / "solutions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return {
        "rows": str(tmp_path / "solutions.jsonl"),
        "generator": str(tiny_model_dir("llama")),
        "judge": f"{tmp_path}/judge.py:without",
        "max_completion_length": 6,
        "builder": IncorrectSynth(form="steps", step_end="#"),
    }


def rows_in(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_is_built_is_tuned_on_and_its_steps_have_no_end(wrong, tmp_path, tiny_model_dir):
    run = steelyard.train("incorrect-synth", report=False, output_dir=str(tmp_path / "built"), **wrong).run_dir
    records = run / "data" / "records.jsonl"
    pairs, notes = PreferenceFile().read(str(records), "--path")
    assert len(pairs) >= 10
    assert not notes
    assert {(str(p.prompt.text).partition("=")[2], *p.sides[1]) for p in pairs} == {("a#c#", "bbbb", True)}
    assert {row["pit"] for row in rows_in(records)} == {3}
    policy = Policy.load(str(tiny_model_dir("llama")))
    for pair in pairs:
        chosen, rejected = (t.completion_T.tolist() for t in given_pair(policy, pair))
        assert (chosen[-1] in policy.eos_ids) == pair.chosen_ends
        assert rejected[-1] in policy.eos_ids
    words = ["--model", wrong["generator"], "--path", str(records), "--learning-rate", "1e-2", "--max-steps", "6"]
    words += ["--max-completion-length", "4", "--batch-size", "4", "--output-dir", str(tmp_path / "tuned")]
    assert main(["train", "offline-dpo", *words]) == 0
    first, *_, last = rows_in(tmp_path / "tuned" / "eval.jsonl")
    assert first["eval/preference_margin"] == 0
    assert last["eval/preference_margin"] > 0.5
    assert last["eval/preference_accuracy"] == 1


def test_a_killed_build_goes_on_as_if_nothing_had_been(wrong, tmp_path, monkeypatch):
    few = wrong | {"batch_size": 4, "save_steps": 1, "seed": 3}
    whole = steelyard.train("incorrect-synth", report=False, output_dir=str(tmp_path / "whole"), **few).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, BuildingWork, 2, "incorrect-synth", output_dir=str(cut), **few)
    steelyard.resume(cut, report=False)
    assert (cut / "data" / "records.jsonl").read_bytes() == (whole / "data" / "records.jsonl").read_bytes()
    kept = rows_in(whole / "data" / "records.jsonl")
    assert np.mean([row["values"][-1] for row in kept]) == -4


@pytest.mark.parametrize(("settings", "said"), [
    ({"step_end": "["}, r"incorrect-synth.step_end: is no regular expression \(unterminated character set"),
    ({"step_end": "x*"}, r"incorrect-synth.step_end: is 'x\*', which matches the empty text; name what ends a step"),
    ({"continuations": 0}, "incorrect-synth.continuations: is 0; use 1 or more"),
    ({"drop": -0.5}, "incorrect-synth.drop: is -0.5; use 0 or more"),
])  # fmt: skip
def test_settings_out_of_range(settings, said):
    with pytest.raises(SteelyardError, match=said):
        IncorrectSynth(**settings)


def test_questions_have_addresses_of_their_own():
    asked = []

    class Listening(Writer):
        def __call__(self, questions, seed):
            asked.extend(questions)
            return super().__call__(questions, seed)

    records = records_of([("line 1", ROW), ("line 2", ROW)])
    tools = Tools(0, Listening(name="w", said=SAID), Verifier(name="v"))
    found = IncorrectSynth(continuations=2).build(records, records, tools)
    assert len({(question.address, question.sample) for question in asked}) == len(asked) == 12
    assert isinstance(asked[0], Question)
    assert found[0].id != found[1].id
